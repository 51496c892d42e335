package controlplane

import "net"

// freePorts returns different loopback ports that nobody listens on. They are
// all held until the last is found, or the same one could come twice. Somebody
// else can still take one before it is used: start tries again then.
func freePorts(count int) ([]int, error) {
	ports := make([]int, count)
	for i := range ports {
		listener, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer listener.Close()
		ports[i] = listener.Addr().(*net.TCPAddr).Port
	}
	return ports, nil
}
