package cli

import (
	"errors"
	"fmt"
	"net"

	"github.com/spf13/cobra"

	"relevo/internal/web"
	"relevo/systemd/unit"
)

// webUnit are the flags for the unit of relevo web.
type webUnit struct {
	wanted  bool
	address string
	hosts   []string
}

func (f *webUnit) add(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.wanted, "web", false, "the unit of relevo web, the page of all apps")
	cmd.Flags().StringVarP(&f.address, "listen", "l", web.DefaultAddress, "with --web: `HOST:PORT` of the page")
	cmd.Flags().StringArrayVar(&f.hosts, "host", nil, "with --web: a `NAME` under which the page is reached; repeatable")
}

// wantedFiles makes the units that the flags ask for, and returns the name of the app or of the page.
func (c *cli) wantedFiles(cmd *cobra.Command, flags unitFlags, args []string) ([]unit.File, string, error) {
	set := cmd.Flags().Changed
	if !flags.web.wanted {
		if set("listen") || set("host") {
			return nil, "", usage(errors.New("cannot use --listen or --host without --web: relevo.toml says where an app " +
				"listens; add --web, or leave them out"))
		}
		return c.unitFiles(flags, first(args))
	}
	if len(args) > 0 || set("config") || flags.sockets {
		return nil, "", usage(errors.New("cannot use --web with NAME, --config or --socket: the page is that of all apps; " +
			"leave them out"))
	}
	if _, _, err := net.SplitHostPort(flags.web.address); err != nil {
		return nil, "", usage(fmt.Errorf("cannot use --listen %q: write HOST:PORT, such as %s", flags.web.address,
			web.DefaultAddress))
	}
	program, err := ownProgram()
	if err != nil {
		return nil, "", err
	}
	made := unit.Web{Program: program, Address: flags.web.address, Hosts: flags.web.hosts, User: flags.user,
		State: c.places.State, Runtime: c.places.Runtime}
	return []unit.File{made.File()}, unit.WebName, nil
}
