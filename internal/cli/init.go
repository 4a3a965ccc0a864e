package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"relevo/internal/config"
	"relevo/internal/control"
	"relevo/internal/imports"
	"relevo/internal/project"
)

func (c *cli) initialize() *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use: "init [-- COMMAND ARG…]", GroupID: "start",
		Short: "Write a commented relevo.toml for the program in this directory",
		Long: `Write a commented relevo.toml for the program in this directory: a package.json, a program or
an application in Python (app.py, manage.py, wsgi.py), config.ru, a Go module, index.php, the only
script, a static site. Or for the command that follows --.

A relevo.toml that is there is not overwritten without --force.`,
		Example: "  relevo init\n  relevo init -- ./server --verbose",
		Args: func(cmd *cobra.Command, args []string) error {
			if dash := cmd.ArgsLenAtDash(); len(args) > 0 && dash != 0 || dash == 0 && len(args) == 0 {
				return usage(errors.New("cannot use the arguments: a command follows --, as in relevo init -- ./server"))
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "overwrite a relevo.toml that is there")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		dir := logicalDir(c.getenv)
		found, err := findProject(dir, args)
		if err != nil {
			return control.WithExit(err, control.ExitConfig)
		}
		name := config.NameOf(filepath.Base(dir))
		if name == "" {
			name = "app"
		}
		return c.writeInitial(dir, found.TOML(name), found.Kind, force)
	}
	return cmd
}

// findProject finds out what runs in a directory, unless the command was given.
func findProject(dir string, command []string) (project.Project, error) {
	if len(command) > 0 {
		return project.Project{Kind: "the command that was given", Command: command}, nil
	}
	machine := newLocalMachine(config.App{Dir: dir})
	found, is := project.Find(project.Directory{Files: os.DirFS(dir),
		Installed: func(program string) bool { return machine.Find(program) != "" }})
	if !is {
		return found, errors.New("cannot tell what this directory runs: there is no package.json, app.py, manage.py, " +
			"config.ru, " +
			"go.mod with a program, index.php, index.html, and no single script; relevo init -- COMMAND ARG… writes the file " +
			"for a " +
			"command")
	}
	return found, nil
}

// writeInitial writes relevo.toml and checks it.
func (c *cli) writeInitial(dir string, text []byte, kind string, force bool) error {
	const name = config.DefaultFile
	err := writeNew(filepath.Join(dir, name), text, force)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("cannot write %s: it is there already; --force overwrites it", name)
	}
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", name, err)
	}
	fmt.Fprintf(c.stdout, "%s written for %s\n", name, kind)
	for _, other := range foreignFiles(dir) {
		fmt.Fprintf(c.stdout, "  %s is there, too: relevo import %[1]s carries its settings over (-o FILE)\n", other)
	}
	if err := c.printChecked(c.checkFile(name), false); err != nil {
		return err
	}
	_, err = fmt.Fprintln(c.stdout, "next: relevo start, or relevo dev")
	return err
}

// writeNew writes a file. Without force it refuses to replace one.
func writeNew(path string, text []byte, force bool) error {
	target := path
	if force {
		target += ".new"
		os.Remove(target)
	}
	file, err := os.OpenFile(target, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	err = errors.Join(err, file.Close())
	if err == nil && force {
		err = os.Rename(target, path)
	}
	if err != nil {
		os.Remove(target)
	}
	return err
}

// foreignFiles lists the files of a directory that relevo import reads.
func foreignFiles(dir string) (names []string) {
	entries, _ := os.ReadDir(dir)
	for _, entry := range entries {
		form := imports.FormOf(entry.Name())
		if !entry.IsDir() && form != imports.Unknown && form != imports.Package && !slices.Contains(names, entry.Name()) {
			names = append(names, entry.Name())
		}
	}
	return names
}
