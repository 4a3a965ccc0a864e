package main

import (
	"fmt"
	"strings"
)

// caskSums are Homebrew's names for the archives that a cask has.
var caskSums = []struct {
	name string
	target
}{
	{"arm", target{"darwin", "arm64"}}, {"intel", target{"darwin", "amd64"}},
	{"arm64_linux", target{"linux", "arm64"}}, {"x86_64_linux", target{"linux", "amd64"}},
}

// cask makes the file of Homebrew, if it is known where the archives will be. Homebrew marks what it
// downloads as quarantined, and macOS runs no such program that is not notarised.
func (r *release) cask() error {
	if r.url == "" {
		return nil
	}
	var sums []string
	for _, c := range caskSums {
		sum, err := r.sum(r.base("relevo", c.target) + ".tar.gz")
		if err != nil {
			return fmt.Errorf("cannot make the cask: %w; leave -url out, or build for %s", err, c.target)
		}
		sums = append(sums, fmt.Sprintf("%s: %q", c.name, sum))
	}
	const dir = "relevo_#{version}_#{os}_#{arch}"
	var text strings.Builder
	fmt.Fprintf(&text, `# Made by packaging/build.
cask "relevo" do
  os macos: "darwin", linux: "linux"
  arch arm: "arm64", intel: "amd64"

  version %q
  sha256 %s

  url "%s/%s.tar.gz"
  name "relevo"
  desc "Zero-downtime process master"
  homepage "%s"

  binary "%s/relevo"
`, r.version, strings.Join(sums, ",\n         "), r.url, dir, r.url, dir)
	for _, f := range r.programs[0].shared {
		if strings.HasSuffix(f.path, ".1") {
			fmt.Fprintf(&text, "  manpage \"%s/%s\"\n", dir, f.path)
		}
	}
	fmt.Fprintf(&text, `  bash_completion "%s/completions/relevo.bash"
  zsh_completion "%s/completions/_relevo"
  fish_completion "%s/completions/relevo.fish"

  postflight do
    if OS.mac?
      system_command "/usr/bin/xattr", args: ["-dr", "com.apple.quarantine", staged_path.to_s]
    end
  end
end
`, dir, dir, dir)
	return r.write("relevo.rb", []byte(text.String()))
}
