package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"relevo/internal/fleet/plan"
	"relevo/internal/fleet/relevo-fleet/conductor"
	"relevo/internal/fleet/relevo-fleet/store"
)

func (p *program) pause() *cobra.Command {
	return p.wish(plan.Pause, "Give no more turns; open turns continue", false)
}

func (p *program) resume() *cobra.Command {
	return p.wish(plan.Resume, "Continue a deploy that is paused or held", true)
}

func (p *program) abort() *cobra.Command {
	return p.wish(plan.Abort, "End a deploy; the machines stay as they are", false)
}

func (p *program) rollback() *cobra.Command {
	return p.wish(plan.Rollback, "Take the last deploy back from the machines that have it", true)
}

// wish is a command that changes a deploy. If the deploy continues, the command follows it.
func (p *program) wish(w plan.Wish, short string, goesOn bool) *cobra.Command {
	var noWait, force, checks bool
	cmd := &cobra.Command{Use: string(w) + " APP", Short: short, Args: appArg,
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.runWish(cmd.Context(), args[0], w, goesOn && !noWait, force, checks)
		}}
	if goesOn {
		cmd.Flags().BoolVar(&noWait, "no-wait", false, "return at once; a running relevo-fleet conduct continues it")
		cmd.Flags().BoolVar(&checks, "checks", false, "run the check that the deploy was begun with")
	}
	if w == plan.Resume {
		cmd.Flags().BoolVar(&force, "force", false, "try bytes that have failed before")
	}
	p.json(cmd)
	return cmd
}

func (p *program) runWish(ctx context.Context, app string, w plan.Wish, follow, force, checks bool) error {
	c, err := p.connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	d, err := c.Heed(ctx, app, w, who(), force)
	if err != nil {
		return err
	}
	switch {
	case follow:
		return p.follow(ctx, c, d, checks)
	case p.asJSON:
		return p.printJSON(d)
	}
	_, err = fmt.Fprintf(p.out, "%s: deploy %d, version %s, is %s\n", d.App, d.ID, d.Release.Version, d.State)
	return err
}

func (p *program) followCommand() *cobra.Command {
	var checks bool
	cmd := &cobra.Command{Use: "follow APP", Short: "Continue a deploy whose command was interrupted", Args: appArg,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := p.connect(cmd.Context())
			if err != nil {
				return err
			}
			defer c.Close()
			d, err := c.Current(cmd.Context(), args[0])
			if err == nil && d.ID == 0 {
				err = fmt.Errorf("cannot follow %s: nothing was ever deployed of it", args[0])
			}
			if err != nil {
				return err
			}
			return p.follow(cmd.Context(), c, d, checks)
		}}
	cmd.Flags().BoolVar(&checks, "checks", false, "run the check that the deploy was begun with")
	p.json(cmd)
	return cmd
}

func (p *program) forget() *cobra.Command {
	return &cobra.Command{Use: "forget MACHINE", Short: "Remove a machine that will not come back",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usage(errors.New("cannot tell which machine: give its name, and nothing else"))
			}
			return usage(store.CheckWord("the name of a machine", args[0]))
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := p.connect(cmd.Context())
			if err != nil {
				return err
			}
			defer c.Close()
			v, err := c.View(cmd.Context())
			if err != nil {
				return err
			}
			if !v.Knows(args[0]) {
				return fmt.Errorf("cannot forget %s: there is no such machine; relevo-fleet status shows them", args[0])
			}
			if err := c.Forget(cmd.Context(), args[0]); err != nil {
				return err
			}
			_, err = fmt.Fprintf(p.out, "%s is forgotten\n", args[0])
			return err
		}}
}

func (p *program) conduct() *cobra.Command {
	var apps []string
	var checks bool
	cmd := &cobra.Command{Use: "conduct --app APP", Short: "Give the turns of deploys, also to machines that come back",
		Args: noArgs, RunE: func(cmd *cobra.Command, _ []string) error {
			return p.runConduct(cmd.Context(), apps, checks)
		}}
	cmd.Flags().StringSliceVar(&apps, "app", nil, "app to conduct; repeatable")
	cmd.Flags().BoolVar(&checks, "checks", false, "run the checks of deploys, as commands on this machine")
	return cmd
}

func (p *program) runConduct(ctx context.Context, apps []string, checks bool) error {
	if len(apps) == 0 {
		return usage(errors.New("cannot conduct without an app: give --app NAME"))
	}
	for _, app := range apps {
		if err := store.CheckWord("the name of an app", app); err != nil {
			return usage(err)
		}
	}
	c, err := p.dial()
	if err != nil {
		return err
	}
	defer c.Close()
	log := p.log()
	log.Info("conducts deploys", "apps", strings.Join(apps, ","))
	var all sync.WaitGroup
	for _, app := range apps {
		all.Go(func() {
			conductor.Run(ctx, conductor.Options{Client: c, App: app, Log: log,
				Who: store.Conductor{By: who(), PID: os.Getpid(), Since: time.Now(), Checks: checks}})
		})
	}
	all.Wait()
	return nil
}
