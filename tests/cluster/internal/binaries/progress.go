package binaries

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// reportEvery is how long a build may be silent: a user must see that it lives.
const reportEvery = 15 * time.Second

// progress reads what `go build -v` says, a line for each module downloaded
// and each package compiled, and makes a short line of it now and then.
type progress struct {
	out   io.Writer
	what  string
	since time.Time
	stop  chan struct{}
	done  sync.WaitGroup

	mutex      sync.Mutex
	rest       []byte // a line whose end has not come yet
	downloaded int
	compiled   int
	other      []string // errors and warnings
}

func newProgress(out io.Writer, what string) *progress {
	p := &progress{out: out, what: what, since: time.Now(), stop: make(chan struct{})}
	fmt.Fprintf(out, "building %s\n", what)
	p.done.Go(func() {
		ticker := time.NewTicker(reportEvery)
		defer ticker.Stop()
		for {
			select {
			case <-p.stop:
				return
			case <-ticker.C:
				fmt.Fprintf(out, "building %s: %s, %s\n", p.what, p.elapsed(), p.counts())
			}
		}
	})
	return p
}

func (p *progress) Write(chunk []byte) (int, error) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.rest = append(p.rest, chunk...)
	for {
		line, rest, found := bytes.Cut(p.rest, []byte("\n"))
		if !found {
			return len(chunk), nil
		}
		p.line(string(line))
		p.rest = rest
	}
}

// line sorts one line: the name of a package is the only kind without a space.
func (p *progress) line(line string) {
	switch {
	case strings.HasPrefix(line, "go: downloading "):
		p.downloaded++
	case line != "" && !strings.ContainsAny(line, " \t"):
		p.compiled++
	default:
		p.other = append(p.other, line)
	}
}

// end says how it went; what go complained about is shown only for a failure.
func (p *progress) end(err error) {
	close(p.stop)
	p.done.Wait()
	if err == nil {
		fmt.Fprintf(p.out, "built %s in %s, %s\n", p.what, p.elapsed(), p.counts())
		return
	}
	p.mutex.Lock()
	defer p.mutex.Unlock()
	for _, line := range append(p.other, string(p.rest)) {
		if line != "" {
			fmt.Fprintln(p.out, line)
		}
	}
	fmt.Fprintf(p.out, "building %s failed after %s: %v\n", p.what, p.elapsed(), err)
}

func (p *progress) counts() string {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return fmt.Sprintf("%d modules downloaded, %d packages compiled", p.downloaded, p.compiled)
}

func (p *progress) elapsed() time.Duration {
	return time.Since(p.since).Round(time.Second)
}
