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

// place is what the words of a command line count from: the directory in which relevo
// was started, as the user entered it, and the configuration file that was chosen then.
type place struct {
	dir  string
	file string // as it was named; empty: none
}

// placeFor is the present place.
func (c *cli) placeFor(cmd *cobra.Command, flags *appFlags) place {
	at := place{dir: logicalDir(c.getenv)}
	if at.file = c.chosenFile(cmd, flags); at.file != "" || cmd.Flags().Changed("config") {
		return at
	}
	// A link that leads nowhere is an error, for someone wanted a file there.
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

// placeAfter is the place of the previous master, or the present one where there was
// none. What has become of directory and file since is seen at the next reload. After
// a start by systemd the unit may say something new: its words come first.
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

// logicalDir is the working directory as the user entered it: through a symbolic
// link such as "current", where there is one. The kernel knows only where the
// link pointed to at that time. Of a directory that was deleted it is the former path.
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
