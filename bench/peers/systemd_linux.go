package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"

	"relevo/internal/procfs"
	"relevo/internal/systemdbox/boot"
)

// restarted is a service that systemd starts again whenever it ends. A start limit would keep it
// from doing so in rolls that follow one another.
const restarted = `[Unit]
StartLimitIntervalSec=0
[Service]
WorkingDirectory=%s
Environment=PORT=%s %s=%[2]s NODE_ENV=production
ExecStart=%[4]s app.js
Restart=always
`

// systemdService is what systemd does alone: one process, started again when it has ended.
func systemdService(ctx context.Context, s *service) error {
	text, err := s.unit()
	if err != nil {
		return err
	}
	return s.boot(ctx, map[string]string{"app.service": text}, "app.service")
}

// systemdSocket has systemd hold the socket, which four instances of the service share.
func systemdSocket(ctx context.Context, s *service) error {
	text, err := s.unit()
	if err != nil {
		return err
	}
	units := map[string]string{
		"app.socket":   fmt.Sprintf("[Socket]\nListenStream=%s\nService=app@1.service\n", s.address),
		"app@.service": text + "Sockets=app.socket\n",
	}
	var instances []string
	for i := range processes {
		instances = append(instances, fmt.Sprintf("app@%d.service", i+1))
	}
	return s.boot(ctx, units, instances...)
}

func (s *service) unit() (string, error) {
	node, err := exec.LookPath("node")
	return fmt.Sprintf(restarted, s.dir, s.port(), idVariable, node), err
}

// boot starts a systemd with units, and has it start some of them. A roll restarts one after the
// other; systemd itself is replaced by daemon-reexec, and cannot be killed.
func (s *service) boot(ctx context.Context, units map[string]string, started ...string) error {
	system, err := boot.Start(boot.Options{Dir: s.dir, Units: units})
	if a := (boot.Absent{}); errors.As(err, &a) {
		return absent{a.Why}
	}
	if err != nil {
		return err
	}
	s.end = system.Close
	s.roll = func(ctx context.Context) error {
		before, err := s.awaitAll(ctx)
		for _, unit := range started {
			if err == nil {
				_, err = system.Systemctl(ctx, "restart", unit)
			}
		}
		if err != nil {
			return err
		}
		return s.awaitOthers(ctx, before)
	}
	s.renew = func(ctx context.Context) error {
		_, err := system.Systemctl(ctx, "daemon-reexec")
		return err
	}
	s.outside = func(pid int) int { return outside(system.Members("/"), pid) }
	_, err = system.Systemctl(ctx, append([]string{"start"}, started...)...)
	return err
}

// outside finds the process that has a pid for itself, and another one here.
func outside(members []int, pid int) int {
	for _, member := range members {
		text, err := procfs.Of(member).Status("NSpid") // "4711 35": here, and in its own namespace
		fields := strings.Fields(text)
		if err == nil && len(fields) > 1 && fields[len(fields)-1] == strconv.Itoa(pid) {
			return member
		}
	}
	return 0
}
