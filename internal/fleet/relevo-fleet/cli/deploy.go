package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"relevo/internal/control"
	"relevo/internal/fleet/plan"
	"relevo/internal/fleet/relevo-fleet/store"
)

type deployFlags struct {
	release        store.Release
	canary         int
	wave           string
	bake, waveBake time.Duration
	timeout        time.Duration
	maxUnavailable int
	by, check      string
	onFailure      string
	noWait         bool
}

func (p *program) deploy() *cobra.Command {
	f := deployFlags{}
	cmd := &cobra.Command{Use: "deploy APP --version VERSION", Short: "Roll a release over the machines of an app",
		Args: appArg, Example: "  relevo-fleet deploy shop --version 1.4 --wave 10% --bake 5m --by zone",
		RunE: func(cmd *cobra.Command, args []string) error { return p.runDeploy(cmd.Context(), args[0], f) }}
	o := cmd.Flags()
	o.StringVar(&f.release.Version, "version", "", "version to deploy; the machines' own commands fetch it")
	o.StringVar(&f.release.URL, "url", "", "URL of the release for all machines; {version} is replaced")
	o.StringVar(&f.release.SHA256, "sha256", "", "hash that the release must have")
	o.IntVar(&f.canary, "canary", 1, "machines that get it first; 0: none")
	o.StringVar(&f.wave, "wave", "10%", "machines at a time after that: a number, or a share of all")
	o.DurationVar(&f.bake, "bake", 30*time.Second, "how long the canary serves without a fault before others follow")
	o.DurationVar(&f.waveBake, "wave-bake", 0, "the same for each wave")
	o.DurationVar(&f.timeout, "turn-timeout", 10*time.Minute, "how long one machine may take")
	o.IntVar(&f.maxUnavailable, "max-unavailable", -1, "machines that may be away or have a fault; -1: any number")
	o.StringVar(&f.by, "by", "", "label that waves go by: a wave has machines of one value")
	o.StringVar(&f.check, "check", "", "command that has to succeed before each stage ends")
	o.StringVar(&f.onFailure, "on-failure", "hold", "what follows a failure: hold or rollback")
	o.BoolVar(&f.release.Force, "force", false, "try bytes that have failed before")
	o.BoolVar(&f.noWait, "no-wait", false, "return at once; a running relevo-fleet conduct continues it")
	p.json(cmd)
	return cmd
}

func (p *program) runDeploy(ctx context.Context, app string, f deployFlags) error {
	if err := f.validate(); err != nil {
		return usage(err)
	}
	c, err := p.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	v, err := c.View(ctx)
	if err != nil {
		return err
	}
	last := v.Deploys[app]
	if err := f.fits(v, app, last); err != nil {
		return err
	}
	d, err := c.BeginDeploy(ctx, last, f.deploy(v, app))
	if errors.Is(err, store.ErrChanged) {
		if last, err = c.Current(ctx, app); err == nil {
			err = running(last)
		}
	}
	if err != nil {
		return err
	}
	if f.noWait {
		return p.printBegun(d)
	}
	return p.follow(ctx, c, d, f.check != "")
}

func (p *program) printBegun(d store.Deploy) error {
	if p.asJSON {
		return p.printJSON(d)
	}
	_, err := fmt.Fprintf(p.out, "deploy %d of %s has begun: %s\n", d.ID, d.App, d.Describe())
	return err
}

var isSHA256 = regexp.MustCompile(`^[0-9a-f]{64}$`)

// validate checks what needs no fleet.
func (f deployFlags) validate() error {
	switch {
	case f.release.Version == "":
		return errors.New("cannot deploy without a version: give --version")
	case f.release.SHA256 != "" && !isSHA256.MatchString(f.release.SHA256):
		return fmt.Errorf("cannot use %q as a hash: it has to be 64 hexadecimal digits", f.release.SHA256)
	case f.release.URL != "" && f.release.SHA256 == "":
		return errors.New("cannot deploy from a URL without its hash: give --sha256")
	case f.canary < 0:
		return errors.New("cannot use a negative --canary")
	case f.bake < 0 || f.waveBake < 0 || f.timeout <= 0:
		return errors.New("cannot use a time that is negative, or a --turn-timeout of 0")
	case f.onFailure != "hold" && f.onFailure != "rollback":
		return fmt.Errorf("cannot use --on-failure %q: it is hold or rollback", f.onFailure)
	}
	if _, err := waveOf(f.wave, 100); err != nil {
		return err
	}
	return store.CheckWord("a version", f.release.Version)
}

// waveOf is the size of a wave of so many machines.
func waveOf(text string, machines int) (int, error) {
	share, isShare := strings.CutSuffix(text, "%")
	n, err := strconv.ParseFloat(share, 64)
	switch {
	case err == nil && isShare && n > 0 && n <= 100:
		return max(int(math.Ceil(float64(machines)*n/100)), 1), nil
	case err == nil && !isShare && n >= 1 && n == math.Trunc(n) && n <= math.MaxInt32:
		return int(n), nil
	}
	return 0, fmt.Errorf("cannot use --wave %q: it is a number of machines, or a share such as 10%%", text)
}

// fits checks what the fleet has to have.
func (f deployFlags) fits(v *store.View, app string, last store.Deploy) error {
	reports := v.Reports[app]
	present := presentOf(v, app)
	switch {
	case last.State.Busy():
		return running(last)
	case len(reports) == 0 && len(v.Apps()) == 0:
		return fmt.Errorf("cannot deploy %s: no machine has reported any app; start relevo-fleet agent on them", app)
	case len(reports) == 0:
		return fmt.Errorf("cannot deploy %s: no machine has this app; there are %s", app, strings.Join(v.Apps(), ", "))
	case len(present) == 0:
		return fmt.Errorf("cannot deploy %s: none of %d machines is connected and runs it; see relevo-fleet status %s", app,
			len(reports), app)
	case f.canary > len(present):
		return fmt.Errorf("cannot have %d canaries: %d machines of %s are present", f.canary, len(present), app)
	}
	if labels := labelsOf(reports); f.by != "" && !slices.Contains(labels, f.by) {
		return fmt.Errorf("cannot go by %q: no machine of %s has this label; there are: %s", f.by, app,
			strings.Join(labels, ", "))
	}
	return f.conducted(v.Conductors[app])
}

// conducted checks that a conductor gives the turns.
func (f deployFlags) conducted(by []store.Conductor) error {
	switch {
	case len(by) == 0 && f.noWait:
		return errors.New("cannot return at once: no conductor runs; leave --no-wait out, or start relevo-fleet conduct")
	case len(by) > 0 && f.check != "" && !by[0].Checks:
		return fmt.Errorf("cannot use --check: the conductor of %s runs no checks; start it with --checks", by[0].By)
	}
	return nil
}

// running is the error about a deploy that has not ended.
func running(d store.Deploy) error {
	return control.WithExit(fmt.Errorf("cannot begin a deploy of %s: deploy %d, version %s, is %s: of %s, since %s\n"+
		"  relevo-fleet abort %s ends it", d.App, d.ID, d.Release.Version, d.State, d.By,
		d.Started.Local().Format(time.DateTime), d.App), control.ExitBusy)
}

// presentOf lists the machines that are connected and run the app.
func presentOf(v *store.View, app string) (names []string) {
	for name, r := range v.Reports[app] {
		if _, connected := v.Present[name]; connected && r.Running {
			names = append(names, name)
		}
	}
	return names
}

func labelsOf(reports map[string]store.Report) []string {
	labels := map[string]bool{}
	for _, r := range reports {
		for name := range r.Labels {
			labels[name] = true
		}
	}
	return slices.Sorted(maps.Keys(labels))
}

// deploy makes the deploy of the flags.
func (f deployFlags) deploy(v *store.View, app string) store.Deploy {
	wave, _ := waveOf(f.wave, len(v.Reports[app])) // validate has read it
	return store.Deploy{App: app, Release: f.release, Label: f.by, Check: f.check, By: who(), Deploy: plan.Deploy{
		State: plan.Rolling, Canary: f.canary, Wave: wave, MaxUnavailable: f.maxUnavailable, Bake: f.bake,
		WaveBake: f.waveBake, TurnTimeout: f.timeout, RollBack: f.onFailure == "rollback"}}
}
