package controlplane

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
)

// writeKubeconfig writes a file that needs no other one beside it, so that it
// can be copied, and mounted into a container, as it is. It is written anew and
// renamed: a reader never sees half of it, nor an old file's wider mode.
func writeKubeconfig(path, server, pki, certificateFile, keyFile, user string) error {
	data := make([]string, 3)
	for i, name := range []string{caCertificate, certificateFile, keyFile} {
		content, err := os.ReadFile(filepath.Join(pki, name))
		if err != nil {
			return err
		}
		data[i] = base64.StdEncoding.EncodeToString(content)
	}
	text := fmt.Sprintf(`apiVersion: v1
kind: Config
clusters:
- name: test
  cluster:
    server: %[1]s
    certificate-authority-data: %[2]s
users:
- name: %[5]s
  user:
    client-certificate-data: %[3]s
    client-key-data: %[4]s
contexts:
- name: test
  context:
    cluster: test
    user: %[5]s
current-context: test
`, server, data[0], data[1], data[2], user)
	temporary, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".tmp-") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(temporary.Name())
	_, err = temporary.WriteString(text)
	if closed := temporary.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	return os.Rename(temporary.Name(), path)
}
