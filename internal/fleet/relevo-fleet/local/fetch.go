package local

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"time"

	"relevo/internal/fleet/relevo-fleet/store"
)

// Fetch gets a release into the directory of releases, and checks it.
func (a *App) Fetch(ctx context.Context, r store.Release) (hash string, err error) {
	if r.SHA256 != "" && a.key == nil {
		if have, _ := hashOf(a.release(r.SHA256)); have == r.SHA256 {
			return have, nil
		}
	}
	out, err := os.CreateTemp(a.releases(), ".fetch-")
	if err != nil {
		return "", fmt.Errorf("cannot write there: %w", err)
	}
	defer os.Remove(out.Name())
	if err := errors.Join(a.get(ctx, r, out), out.Close()); err != nil {
		return "", err
	}
	if hash, err = hashOf(out.Name()); err != nil {
		return "", err
	}
	if r.SHA256 != "" && r.SHA256 != hash {
		return "", fmt.Errorf("its sha256 is %s, wanted is %s", hash, r.SHA256)
	}
	if err := a.verify(ctx, r, out.Name(), hash); err != nil {
		return "", err
	}
	if err := copyTo(out.Name(), a.release(hash), nil); err != nil {
		return "", fmt.Errorf("cannot store it: %w", err)
	}
	return hash, nil
}

// get writes the bytes of a release to a file.
func (a *App) get(ctx context.Context, r store.Release, out *os.File) error {
	switch {
	case r.URL != "":
		return download(ctx, strings.ReplaceAll(r.URL, "{version}", r.Version), out)
	case a.FetchCommand == "":
		return errors.New("this machine has no command for that: give fetch in the agent's configuration, or deploy " +
			"with --url and --sha256")
	}
	return a.command(ctx, a.FetchCommand, r, out)
}

// command runs one of the user's commands. What it says on its standard error explains a failure.
func (a *App) command(ctx context.Context, line string, r store.Release, out *os.File) error {
	toFile := strings.Contains(line, "{file}")
	line = strings.NewReplacer("{version}", r.Version, "{file}", `"$RELEVO_FLEET_FILE"`).Replace(line)
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", line)
	cmd.WaitDelay = time.Second
	cmd.Env = append(os.Environ(), "RELEVO_FLEET_APP="+a.Name, "RELEVO_FLEET_VERSION="+r.Version,
		"RELEVO_FLEET_FILE="+out.Name())
	var said bytes.Buffer
	cmd.Stderr = &said
	if !toFile {
		cmd.Stdout = out
	}
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%q failed: %w%s", line, err, lastLine(said.String()))
	}
	if info, err := os.Stat(out.Name()); err != nil || info.Size() == 0 {
		return fmt.Errorf("%q has written nothing to {file} or its standard output", line)
	}
	return nil
}

// lastLine is the last line of an output, after a colon.
func lastLine(text string) string {
	text = strings.TrimSpace(text)
	if text == "" {
		return ""
	}
	return ": " + text[strings.LastIndex(text, "\n")+1:]
}

// download gets a URL.
func download(ctx context.Context, url string, to io.Writer) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", url, response.Status)
	}
	if _, err := io.Copy(to, response.Body); err != nil {
		return fmt.Errorf("%s: %w", url, err)
	}
	return nil
}

// Check runs the app's check.
func (a *App) Check(ctx context.Context) error {
	if a.CheckCommand == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", a.CheckCommand)
	cmd.WaitDelay = time.Second
	cmd.Env = append(os.Environ(), "RELEVO_FLEET_APP="+a.Name, "RELEVO_FLEET_VERSION="+a.Runs().Version)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("its check %q failed: %w%s", a.CheckCommand, cmp.Or(ctx.Err(), err), lastLine(string(out)))
	}
	return nil
}
