package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"os/user"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"relevo/internal/apps"
	"relevo/internal/config"
	"relevo/internal/control"
	"relevo/internal/imports"
	"relevo/internal/project"
	"relevo/internal/safefile"
)

func (c *cli) importFile() *cobra.Command {
	output := config.DefaultFile
	cmd := &cobra.Command{
		Use: "import FILE | import -- COMMAND ARG…", GroupID: "start",
		Short: "Write relevo.toml from a file or command line of another program",
		Long: `Write relevo.toml from a file by which another program starts apps: PM2's
ecosystem.config.js (.cjs, .mjs, .json, .yml) and the "pm2" of a package.json, a Procfile,
gunicorn.conf.py, a systemd unit (NAME.service), air's .air.toml. Or from the command line of
einhorn, start_server or gunicorn, which follows --. Every key is carried over, replaced, or left
out with the reason as a comment. A file that is a program is evaluated by node or python3, within
` + imports.Patience.String() + `.

A file that is there is not overwritten. Only its owner can read the
new file, because it holds the values of variables.`,
		Example: "  relevo import ecosystem.config.js\n  relevo import ecosystem.config.js --output -\n" +
			"  relevo import /etc/systemd/system/shop.service\n  relevo import -- einhorn -b 127.0.0.1:8080 -n 4 ./app",
		Args: importArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			dir := logicalDir(c.getenv)
			document, err := c.readImported(cmd, args, dir, output)
			if err != nil {
				return control.WithExit(err, control.ExitConfig)
			}
			if output == "-" {
				_, err := c.stdout.Write(document.TOML())
				return err
			}
			return c.writeImported(document, absoluteIn(dir, output), output)
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", output, "the file to write; - for standard output")
	return cmd
}

func importArgs(cmd *cobra.Command, args []string) error {
	if dash := cmd.ArgsLenAtDash(); dash < 0 && len(args) != 1 || dash == 0 && len(args) == 0 || dash > 0 {
		return usage(errors.New("cannot import: name one file, such as ecosystem.config.js, or a command line behind --"))
	}
	return nil
}

// readImported reads the foreign file, or the command line, that args name.
func (c *cli) readImported(cmd *cobra.Command, args []string, dir, output string) (*imports.Document, error) {
	target, foreign, isLine := output, args[0], cmd.ArgsLenAtDash() == 0
	if isLine {
		foreign = config.DefaultFile // the paths in a command line are relative to the working directory
	}
	if output == "-" {
		target = filepath.Join(filepath.Dir(foreign), config.DefaultFile)
	}
	source := c.sourceOf(dir, foreign, target)
	if isLine {
		return readForeignLine(cmd.Context(), dir, args, source)
	}
	return readForeign(cmd.Context(), dir, foreign, source)
}

// refuseForeign refuses to start, as if it were a script, a file in which another program
// configures apps.
func refuseForeign(words apps.Words) error {
	if len(words.Args) == 0 || words.Dash == 0 {
		return nil
	}
	switch path := words.Args[0]; imports.FormOf(path) {
	case imports.Gunicorn, imports.Service, imports.Air:
		return usage(fmt.Errorf("cannot start %[1]s: it says how other programs start apps; relevo import %[1]s writes "+
			"relevo.toml from it, and relevo start starts its apps", path))
	}
	return nil
}

// maxForeign bounds how many bytes of another program's file are read.
const maxForeign = 4 << 20

// sourceOf describes the surroundings of a foreign file, for a relevo.toml at target.
func (c *cli) sourceOf(dir, path, target string) imports.Source {
	home := filepath.Dir(absoluteIn(dir, path))
	source := imports.Source{Path: path, Name: filepath.Base(home), CPUs: config.CPUs(), Host: hostOfUnits(c.getenv)}
	if filepath.Dir(absoluteIn(dir, target)) != home {
		source.Base = home
	}
	source.Exists = func(name string) bool {
		_, err := os.Stat(absoluteIn(home, name))
		return err == nil
	}
	source.Read = func(name string) ([]byte, error) { return safefile.Read(absoluteIn(home, name), maxForeign) }
	source.Application = func(async bool) string { return project.Application(os.DirFS(home), async) }
	return source
}

// hostOfUnits has the values that specifiers in unit files stand for.
func hostOfUnits(getenv func(string) string) imports.Host {
	h := imports.Host{Shell: getenv("SHELL"), HomeOf: func(name string) string {
		if account, err := user.Lookup(name); err == nil {
			return account.HomeDir
		}
		return ""
	}}
	if account, err := user.Current(); err == nil {
		h.User, h.UID, h.GID, h.Home = account.Username, account.Uid, account.Gid, account.HomeDir
		if group, err := user.LookupGroupId(account.Gid); err == nil {
			h.Group = group.Name
		}
	}
	h.Name, _ = os.Hostname()
	return h
}

// readForeign reads a file that configures another program.
func readForeign(ctx context.Context, dir, path string, source imports.Source) (*imports.Document, error) {
	file := absoluteIn(dir, path)
	form := imports.FormOf(path)
	if form == imports.Unknown {
		return imports.Read(form, nil, source)
	}
	data, err := safefile.Read(file, maxForeign)
	if err != nil {
		return nil, fmt.Errorf("cannot import %s: %w", path, err)
	}
	if form.Evaluated() {
		if data, err = evaluateForeign(ctx, file); err != nil {
			return nil, err
		}
	}
	return imports.Read(form, data, source)
}

// evaluateForeign evaluates a file that is itself a program, in a child process that ends with this
// one.
func evaluateForeign(ctx context.Context, file string) ([]byte, error) {
	ctx, end := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer end()
	return imports.Evaluate(ctx, file, imports.Patience)
}

// readForeignLine parses a command line of another program, and reads the file that it names.
func readForeignLine(ctx context.Context, dir string, args []string, source imports.Source) (*imports.Document, error) {
	var conf []byte
	if file := imports.GunicornFile(args, source.Exists); file != "" {
		var err error
		if conf, err = evaluateForeign(ctx, absoluteIn(dir, file)); err != nil {
			return nil, err
		}
	}
	return imports.ReadLine(args, conf, source)
}

func absoluteIn(dir, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

// writeImported writes a new file and checks it. It refuses to overwrite one.
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
	if document.Dev {
		next = "next: relevo dev"
		if name != config.DefaultFile {
			next += " --config"
		}
	}
	if name != config.DefaultFile {
		next += " " + name
	}
	_, err = fmt.Fprintln(c.stdout, next)
	return err
}
