// Command build makes the files of a release of relevo and relevo-fleet: archives with their checksums, lists of what
// is in the binaries, packages of Debian, of RPM and of npm, an image for containers, and a cask of
// Homebrew.
//
//	go run -C packaging ./build -version v1.2.3
//
// It needs Go and the modules, and no other tool. The same sources, the same Go and the same version
// make the same bytes, wherever they are made. See README.md in packaging.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

func main() {
	o := options{}
	var targets string
	flag.StringVar(&o.sources, "sources", "..", "`directory` of relevo's sources")
	flag.StringVar(&o.out, "out", "", "`directory` for the files; default: dist in the sources")
	flag.StringVar(&o.version, "version", "", "`version` of the release; default: that of git describe")
	flag.StringVar(&targets, "targets", allTargets, "`platforms`")
	flag.BoolVar(&o.fleet, "fleet", true, "make the files of relevo-fleet, too")
	flag.StringVar(&o.url, "url", "", "`URL` that the files will have; with it, the cask of Homebrew is made, too")
	flag.StringVar(&o.maintainer, "maintainer", unnamed,
		"`NAME <ADDRESS>` of the publisher of the packages of Debian and RPM")
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "build: cannot use the argument %q: it takes flags only\n", flag.Arg(0))
		os.Exit(2)
	}
	if err := run(o, strings.Split(targets, ",")); err != nil {
		fmt.Fprintln(os.Stderr, "build:", err)
		os.Exit(1)
	}
}

// allTargets are the platforms of a release.
const allTargets = "linux/amd64,linux/arm64,linux/386,linux/riscv64,darwin/amd64,darwin/arm64"

type options struct {
	sources, out, version, url, maintainer string
	fleet                                  bool
}

// unnamed is the maintainer of packages that are built without one being named. The domain is
// reserved for addresses that do not exist (RFC 2606).
const unnamed = "The authors of relevo <unnamed@relevo.invalid>"

func run(o options, targets []string) error {
	r, err := newRelease(o)
	if err != nil {
		return err
	}
	platforms, err := parseTargets(targets)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(r.out, 0o755); err != nil {
		return fmt.Errorf("cannot make the directory for the files: %w", err)
	}
	for _, t := range platforms {
		for i, p := range r.programs {
			b, err := r.compile(p, t)
			if err != nil {
				return err
			}
			makes := []func(binary) error{r.archive, r.listModules, r.linuxPackages}
			if i == 0 {
				r.built = append(r.built, b)
				makes = append(makes, r.npmBinary)
			}
			if err := perform(makes, b); err != nil {
				return fmt.Errorf("%s: %w", t, err)
			}
		}
	}
	for _, make := range []func() error{r.npmMain, r.image, r.cask, r.checksums} {
		if err := make(); err != nil {
			return err
		}
	}
	return nil
}

// perform makes files of a binary.
func perform(makes []func(binary) error, b binary) error {
	for _, make := range makes {
		if err := make(b); err != nil {
			return err
		}
	}
	return nil
}

// write puts a file among those of the release, and says so.
func (r *release) write(name string, data []byte) error {
	path := filepath.Join(r.out, name)
	if err := os.WriteFile(path, data, 0o644); err != nil {
		return fmt.Errorf("cannot write a file of the release: %w", err)
	}
	r.names = append(r.names, name)
	fmt.Println(path)
	return nil
}
