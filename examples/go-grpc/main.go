// Usage: go build -C examples/go-grpc && relevo run -l :50051 -- ./examples/go-grpc/go-grpc   (or go-grpc alone)
package main

import (
	"log"
	"net"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"

	"relevo/worker"
)

func main() {
	listener, err := worker.Listen("tcp", ":50051")
	if err != nil {
		log.Fatal(err)
	}
	entrance := &entrance{Listener: listener, TransportCredentials: insecure.NewCredentials()}
	server := grpc.NewServer(grpc.Creds(entrance))
	grpc_health_v1.RegisterHealthServer(server, health.NewServer())
	draining := worker.Draining()
	go func() {
		<-draining
		listener.Close() // this worker's copy; Serve returns
	}()
	if err := worker.Ready(); err != nil {
		log.Fatal(err)
	}
	err = server.Serve(entrance)
	select {
	case <-draining:
		entrance.waiting.Wait()
		server.GracefulStop() // tells the clients, and waits for their calls
	default:
		log.Fatal(err)
	}
}

// entrance knows the connections that are accepted and not greeted yet: GracefulStop
// would close them.
type entrance struct {
	net.Listener
	credentials.TransportCredentials
	waiting sync.WaitGroup
}

func (e *entrance) Accept() (net.Conn, error) {
	conn, err := e.Listener.Accept()
	if err == nil {
		e.waiting.Add(1)
	}
	return conn, err
}

func (e *entrance) ServerHandshake(conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	defer e.waiting.Done()
	return e.TransportCredentials.ServerHandshake(conn)
}
