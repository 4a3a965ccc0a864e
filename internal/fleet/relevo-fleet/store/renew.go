package store

import (
	"context"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// keepAlive renews the lease until ctx ends or it is lost. The library's own KeepAlive does not tell when a
// question was sent. That is what counts: an etcd that is slow answers when much of the lease has gone by.
func (s *Session) keepAlive(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	s.lapsed = time.AfterFunc(time.Until(s.end()), cancel)
	done := make(chan struct{})
	s.Done = done
	go func() {
		defer close(done)
		defer cancel()
		defer s.lapsed.Stop()
		for ctx.Err() == nil && s.renew(ctx) {
			pause(ctx, 500*time.Millisecond)
		}
	}()
}

// end is when the lease may have ended.
func (s *Session) end() time.Time { return s.begun.Add(time.Duration(s.until.Load())) }

// lives notes that the lease was renewed at a time or later.
func (s *Session) lives(at time.Time) {
	s.until.Store(int64(at.Sub(s.begun) + s.ttl))
	s.lapsed.Reset(time.Until(s.end()))
}

// renew renews the lease over one stream, until that breaks. It returns false if etcd does not know the lease.
func (s *Session) renew(ctx context.Context) bool {
	ctx, cancel := context.WithCancel(clientv3.WithRequireLeader(ctx))
	var sender sync.WaitGroup
	defer sender.Wait()
	defer cancel()
	stream, err := clientv3.RetryLeaseClient(s.client.etcd).LeaseKeepAlive(ctx)
	if err != nil {
		return true
	}
	asked := make(chan time.Time, 10) // questions without an answer: three of them outlast the lease
	sender.Go(func() { s.ask(ctx, stream, asked) })
	for {
		answer, err := stream.Recv()
		if err != nil {
			return true
		}
		if answer.TTL <= 0 {
			return false
		}
		s.lives(<-asked) // a stream keeps the order
	}
}

// ask sends a question three times in the life of a lease.
func (s *Session) ask(ctx context.Context, stream etcdserverpb.Lease_LeaseKeepAliveClient, asked chan<- time.Time) {
	for ctx.Err() == nil {
		select {
		case asked <- time.Now():
		case <-ctx.Done():
			return
		}
		if stream.Send(&etcdserverpb.LeaseKeepAliveRequest{ID: int64(s.lease)}) != nil {
			return // Recv says that the stream is broken
		}
		pause(ctx, s.ttl/3)
	}
}
