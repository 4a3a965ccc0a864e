package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"relevo/bench/figures"
)

// backends are processes of the app, each at an address of its own, for a proxy in front of
// them. They are replaced one by one: end one, start one.
type backends struct {
	service   *service
	addresses []string
	running   []*child
}

func (s *service) backends(ctx context.Context) (*backends, error) {
	b := &backends{service: s, running: make([]*child, processes)}
	for i := range processes {
		address, err := figures.FreeAddress()
		if err != nil {
			return nil, err
		}
		b.addresses = append(b.addresses, address)
		if err := b.start(ctx, i); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// start runs one, and waits until it answers or has ended.
func (b *backends) start(ctx context.Context, i int) error {
	port := b.addresses[i][strings.LastIndexByte(b.addresses[i], ':')+1:]
	c, err := b.service.begin("env", "PORT="+port, "node", "app.js")
	if err != nil {
		return err
	}
	b.running[i] = c
	ended := false
	err = await(ctx, func() bool {
		select {
		case <-c.ended:
			ended = true
			return true
		default:
		}
		_, err := ask(ctx, b.addresses[i])
		return err == nil
	})
	if ended {
		return fmt.Errorf("the new process of the app has ended")
	}
	return err
}

func (b *backends) roll(ctx context.Context) error {
	for i, c := range b.running {
		c.terminate()
		if err := b.start(ctx, i); err != nil {
			return err
		}
	}
	return nil
}

func nginx(ctx context.Context, s *service) error {
	b, err := s.backends(ctx)
	if err != nil {
		return err
	}
	var upstream strings.Builder
	for _, address := range b.addresses {
		fmt.Fprintf(&upstream, "server %s max_fails=0; ", address)
	}
	conf := fmt.Sprintf(`worker_processes 2; daemon off; pid nginx.pid; error_log stderr; events {}
http {
  access_log off; client_body_temp_path t1; proxy_temp_path t2;
  fastcgi_temp_path t3; uwsgi_temp_path t4; scgi_temp_path t5;
  upstream app { %s keepalive 64; }
  server { listen %s; location / { proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection ""; } }
}
`, upstream.String(), s.address)
	if err := os.WriteFile(filepath.Join(s.dir, "nginx.conf"), []byte(conf), 0o644); err != nil {
		return err
	}
	c, err := s.begin("nginx", "-p", s.dir, "-c", "nginx.conf")
	if err != nil {
		return err
	}
	s.manager, s.roll = func() int { return c.pid }, b.roll
	s.renew = func(ctx context.Context) error {
		return s.order(ctx, "nginx", "-p", s.dir, "-c", "nginx.conf", "-s", "reload")
	}
	return nil
}

func haproxy(ctx context.Context, s *service) error {
	b, err := s.backends(ctx)
	if err != nil {
		return err
	}
	conf := fmt.Sprintf(`defaults
  mode http
  timeout connect 1s
  timeout client 10s
  timeout server 10s
  option redispatch
  retries 3
frontend in
  bind %s
  default_backend app
backend app
`, s.address)
	for i, address := range b.addresses {
		conf += fmt.Sprintf("  server s%d %s check inter 100ms\n", i, address)
	}
	if err := os.WriteFile(filepath.Join(s.dir, "haproxy.cfg"), []byte(conf), 0o644); err != nil {
		return err
	}
	c, err := s.begin("haproxy", "-W", "-db", "-f", "haproxy.cfg")
	if err != nil {
		return err
	}
	s.manager, s.roll = func() int { return c.pid }, b.roll
	s.renew = func(context.Context) error { return syscall.Kill(c.pid, syscall.SIGUSR2) }
	return nil
}
