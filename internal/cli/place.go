package cli

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"relevo/internal/config"
	"relevo/internal/procfs"
	"relevo/internal/succession"
)

// place is the origin of relative paths on a command line: the directory in which relevo was
// started, by the path that the user entered, and the configuration file that was chosen then.
type place struct {
	dir  string
	file string // as the user named it; empty: none
}

// placeFor returns the place of the present process.
func (c *cli) placeFor(cmd *cobra.Command, flags *appFlags) place {
	at := place{dir: logicalDir(c.getenv)}
	if at.file = c.chosenFile(cmd, flags); at.file != "" || cmd.Flags().Changed("config") {
		return at
	}
	// A dangling link is an error: its author wanted a file there.
	if _, err := os.Lstat(filepath.Join(at.dir, config.DefaultFile)); !errors.Is(err, fs.ErrNotExist) {
		at.file = config.DefaultFile
	}
	return at
}

func (c *cli) chosenFile(cmd *cobra.Command, flags *appFlags) string {
	if cmd.Flags().Changed("config") {
		return flags.config
	}
	return c.getenv("RELEVO_CONFIG")
}

// placeAfter returns the place of the previous master, or placeFor without one. Changes of the
// directory and the file since then count at the next reload. After a start by systemd the unit's
// arguments come first, because they may be new.
func (c *cli) placeAfter(arrival *succession.Arrival, cmd *cobra.Command, flags *appFlags) place {
	left, known := arrival.Origin()
	if !known {
		return c.placeFor(cmd, flags)
	}
	at := place{dir: left.Dir, file: left.ConfigFile}
	if arrival.Restarted() {
		at.dir = logicalDir(c.getenv)
		if chosen := c.chosenFile(cmd, flags); chosen != "" {
			at.file = chosen
		}
	}
	return at
}

// logicalDir returns the path by which the user entered the working directory, symbolic links such
// as "current" included. The kernel knows only the directory that the link led to. If the directory
// was deleted, it returns the former path.
func logicalDir(getenv func(string) string) string {
	dir := getenv("PWD")
	if here, err := os.Stat("."); err == nil && filepath.IsAbs(dir) {
		if there, err := os.Stat(dir); err == nil && os.SameFile(here, there) {
			return dir
		}
	}
	if dir, err := os.Getwd(); err == nil {
		return dir
	}
	if former, _ := procfs.WorkingDirectory(); former != "" {
		return former
	}
	if filepath.IsAbs(dir) {
		return dir
	}
	return "."
}
