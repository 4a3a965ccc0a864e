package main

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
)

type grpcConnection struct {
	*grpc.ClientConn
	health grpc_health_v1.HealthClient
}

func dialGRPC(_ context.Context, address string) (connection, error) {
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDisableRetry())
	if err != nil {
		return nil, err
	}
	return grpcConnection{conn, grpc_health_v1.NewHealthClient(conn)}, nil
}

func (c grpcConnection) call(ctx context.Context) error {
	_, err := c.health.Check(ctx, &grpc_health_v1.HealthCheckRequest{})
	return err
}

func (c grpcConnection) close() { c.Close() }
