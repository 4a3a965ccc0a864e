package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"relevo/internal/config"
	"relevo/internal/launch"
)

// checkProgram says whether workers could be started. A program that relevo dev builds may be
// missing; then there is a note instead of an error.
func checkProgram(app config.App) (note string, err error) {
	missing := notBuilt(app)
	if missing == "" {
		return "", launch.Check(commandOf(app))
	}
	self, err := ownProgram()
	if err != nil {
		return "", err
	}
	others := commandOf(app)
	others.Args = append([]string{self}, others.Args[1:]...)
	return missing, launch.Check(others)
}

// notBuilt says why the program of an app may be missing; empty: it must exist.
func notBuilt(app config.App) string {
	switch program := app.Command[0]; {
	case app.Dev.Package == "" && app.Dev.Build == "":
		return ""
	case strings.Contains(strings.Join(app.Command, " "), "{out}"):
		return "relevo dev builds {out}; relevo start needs the path of a program in command"
	case app.Dev.Package != "" && !strings.Contains(program, "/"):
		return "relevo dev builds " + app.Dev.Package + "; relevo start needs the path of a program in command"
	case !strings.Contains(program, "/"):
		return ""
	default:
		if !filepath.IsAbs(program) {
			program = filepath.Join(app.Dir, program)
		}
		if _, err := os.Stat(program); !errors.Is(err, fs.ErrNotExist) {
			return ""
		}
		return fmt.Sprintf("%s is not there yet: relevo dev builds it, relevo start needs it", app.Command[0])
	}
}
