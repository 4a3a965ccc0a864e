package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"relevo/internal/apps"
	"relevo/internal/config"
	"relevo/internal/control"
	"relevo/internal/imports"
	"relevo/internal/safefile"
)

func (c *cli) importFile() *cobra.Command {
	output := config.DefaultFile
	cmd := &cobra.Command{
		Use: "import FILE", GroupID: "start",
		Short: "Write relevo.toml from a file of PM2's, or a Procfile",
		Long: `Write relevo.toml from ecosystem.config.js (.cjs, .mjs, .json, .yml), the "pm2" of a
package.json, or a Procfile. Every key is carried over, replaced, or left out with the reason as a
comment. A file that is a program is evaluated by node, within ` + imports.Patience.String() + `.

A file that is there is not overwritten. The new one can be read by its owner alone, for
values of variables stand in it.`,
		Example: "  relevo import ecosystem.config.js\n  relevo import ecosystem.config.js --output -",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usage(errors.New("cannot import: name one file, such as ecosystem.config.js"))
			}
			return nil
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", output, "the file to write; - for standard output")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		dir := logicalDir(c.getenv)
		target := output
		if output == "-" {
			target = filepath.Join(filepath.Dir(args[0]), config.DefaultFile)
		}
		document, err := readForeign(cmd.Context(), dir, args[0], target)
		if err != nil {
			return control.WithExit(err, control.ExitConfig)
		}
		if output == "-" {
			_, err := c.stdout.Write(document.TOML())
			return err
		}
		return c.writeImported(document, absoluteIn(dir, output), output)
	}
	return cmd
}

// refuseForeign keeps a file that says how other programs start apps from being started as a
// script.
func refuseForeign(words apps.Words) error {
	if len(words.Args) == 0 || words.Dash == 0 {
		return nil
	}
	switch path := words.Args[0]; imports.FormOf(path) {
	case imports.Program, imports.Ecosystem, imports.Procfile:
		return usage(fmt.Errorf("cannot start %[1]s: it says how other programs start apps; relevo import %[1]s writes "+
			"relevo.toml from it, and relevo start starts its apps", path))
	}
	return nil
}

// maxForeign bounds what is read of a file of another program, in bytes.
const maxForeign = 4 << 20

// readForeign reads a file of another program, for a relevo.toml at target.
func readForeign(ctx context.Context, dir, path, target string) (*imports.Document, error) {
	file := absoluteIn(dir, path)
	home := filepath.Dir(file)
	source := imports.Source{Path: path, Name: filepath.Base(home), CPUs: config.CPUs()}
	if filepath.Dir(absoluteIn(dir, target)) != home {
		source.Base = home
	}
	source.Exists = func(name string) bool {
		_, err := os.Stat(absoluteIn(home, name))
		return err == nil
	}
	form := imports.FormOf(path)
	if form == imports.Unknown {
		return imports.Read(form, nil, source)
	}
	data, err := safefile.Read(file, maxForeign)
	if err != nil {
		return nil, fmt.Errorf("cannot import %s: %w", path, err)
	}
	if form == imports.Program {
		ctx, end := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP) // Node ends with us
		defer end()
		if data, err = imports.Evaluate(ctx, file, imports.Patience); err != nil {
			return nil, err
		}
	}
	return imports.Read(form, data, source)
}

func absoluteIn(dir, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

// writeImported writes a file that must not be there, and checks it.
func (c *cli) writeImported(document *imports.Document, path, name string) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("cannot write %s: it is there already; --output FILE chooses another, --output - prints it", name)
	}
	if err == nil {
		_, err = file.Write(document.TOML())
		if err = errors.Join(err, file.Close()); err != nil {
			os.Remove(path)
		}
	}
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", name, err)
	}
	fmt.Fprintf(c.stdout, "%s written from %s; its comments say what was replaced and left out\n", name, document.From)
	checked := c.checkFile(name)
	if err := c.printChecked(checked, false); err != nil {
		return err
	}
	next := "next: relevo start"
	if name != config.DefaultFile {
		next += " " + name
	}
	_, err = fmt.Fprintln(c.stdout, next)
	return err
}
