package upgrader_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"relevo/internal/config"
	"relevo/internal/testproc"
	"relevo/upgrader"
	"relevo/upgrader/listeners"
)

// roles are the programs that the children of these tests run.
func roles() testproc.Roles { return testproc.Roles{"master": master} }

// master is a process that holds listeners and hands them to a successor on request: "flip" by
// tableflip, "exec" in place. Each master says that it holds them, how many copies of each there
// are, and whether the runtime polls one of them.
func master(args []string) error {
	flip, in, err := upgrader.NewFlip(10 * time.Second)
	if err == nil && in == nil {
		in, err = upgrader.AfterExec()
	}
	if err != nil {
		return err
	}
	set, document, err := holdListeners(in, args[0])
	if err != nil {
		return err
	}
	if err := flip.Ready(); err != nil {
		return err
	}
	if word, err := flip.AwaitPredecessor(context.Background()); err != nil || !word.Confirmed {
		return fmt.Errorf("the predecessor has not confirmed: %v", err)
	}
	set.Begin()
	fmt.Println("master", os.Getpid(), document)
	if err := describe(set.Listeners()); err != nil {
		return err
	}
	return obey(set, flip, document)
}

func holdListeners(in *upgrader.Received, path string) (set *listeners.Set, document string, err error) {
	if in == nil {
		set = listeners.New(listeners.Options{})
		err = set.Apply([]config.Listen{
			{Name: "a", Network: config.TCP, Address: "127.0.0.1:0"},
			{Name: "b", Network: config.Unix, Address: path},
			{Name: "c", Network: config.UDP, Address: "127.0.0.1:0"},
		})
		return set, "first", err
	}
	var all []listeners.Legacy
	if err := json.Unmarshal(in.Document, &all); err != nil {
		return nil, "", err
	}
	defer in.Close()
	set, err = listeners.TakeOver(listeners.Options{}, all, in)
	return set, fmt.Sprint(in.Names()), err
}

func describe(opened []*listeners.Listener) error {
	polled, err := testproc.Polled()
	if err != nil {
		return err
	}
	for _, l := range opened {
		inode, err := testproc.Inode(l.File())
		if err != nil {
			return err
		}
		flags, err := unix.FcntlInt(l.File().Fd(), unix.F_GETFL, 0)
		if err != nil {
			return err
		}
		fmt.Println(l.Name, l.Address, testproc.Copies(inode), polled[inode], flags&unix.O_NONBLOCK != 0)
	}
	return nil
}

// obey reads byte by byte: what follows an order is for the successor.
func obey(set *listeners.Set, flip *upgrader.Flip, document string) error {
	for {
		order := ""
		for b := make([]byte, 1); !strings.HasSuffix(order, "\n"); order += string(b) {
			if _, err := os.Stdin.Read(b); err != nil {
				return set.Close()
			}
		}
		all, files := set.Legacy()
		text, err := json.Marshal(all)
		if err != nil {
			return err
		}
		legacy := upgrader.Legacy{Document: text, Files: files}
		switch strings.TrimSpace(order) {
		case "flip":
			if _, err = flip.Upgrade(legacy); err == nil {
				if err := flip.Confirm(false); err != nil {
					return err
				}
				os.Exit(0)
			}
		case "exec":
			err = (&upgrader.InPlace{Path: "/proc/self/exe", Args: os.Args}).Exec(legacy)
		}
		fmt.Println("failed:", err)
	}
}
