package worker

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"os"
	"time"
)

// pages of the worker processes.
func pages(mux *http.ServeMux) {
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "pid %d", os.Getpid())
	})
	mux.HandleFunc("/slow", slow)
	mux.HandleFunc("/stuck", func(w http.ResponseWriter, r *http.Request) {
		_ = Status("stuck begun")
		select {}
	})
	mux.HandleFunc("/events", events)
	mux.HandleFunc("/stream", stream)
	mux.HandleFunc("/upload", upload)
	mux.HandleFunc("/hijack", hijack)
	mux.HandleFunc("/hijack-polite", hijack)
}

// slow says that it has begun, and answers after the client's d.
func slow(w http.ResponseWriter, r *http.Request) {
	d, _ := time.ParseDuration(r.FormValue("d"))
	_ = Status("slow begun")
	time.Sleep(d)
	fmt.Fprintf(w, "pid %d", os.Getpid())
}

// events ends when the worker drains.
func events(w http.ResponseWriter, r *http.Request) {
	begin(w)
	select {
	case <-Draining():
		fmt.Fprint(w, "data: bye\n\n")
	case <-r.Context().Done():
	}
}

// stream continues until its request is cancelled.
func stream(w http.ResponseWriter, r *http.Request) {
	begin(w)
	<-r.Context().Done()
	fmt.Fprint(w, "data: cancelled\n\n")
}

func begin(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/event-stream")
	fmt.Fprint(w, "data: begun\n\n")
	_ = http.NewResponseController(w).Flush()
}

func upload(w http.ResponseWriter, r *http.Request) {
	_ = Status("upload begun")
	n, err := io.Copy(io.Discard, r.Body)
	fmt.Fprintf(w, "%d %v", n, err)
}

// hijack echoes lines; the polite one writes a last line when the worker drains.
func hijack(w http.ResponseWriter, r *http.Request) {
	conn, buf, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	fmt.Fprint(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: lines\r\n\r\n")
	if r.URL.Path == "/hijack-polite" {
		go func() {
			<-Draining()
			fmt.Fprint(conn, "bye\n")
			conn.Close()
		}()
	}
	defer conn.Close()
	lines := bufio.NewScanner(buf)
	for lines.Scan() {
		fmt.Fprintln(conn, lines.Text())
	}
}

// serverTLS makes a certificate for clients that do not verify it.
func serverTLS() *tls.Config {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{cert}, PrivateKey: key}}}
}
