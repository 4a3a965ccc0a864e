package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// sharedFiles are what an archive has beside the binary.
func (r *release) sharedFiles(p *program) (files []file, err error) {
	root := p.root()
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	if files, err = r.manPages(root); err != nil {
		return nil, err
	}
	completions, err := completions(root)
	if err != nil {
		return nil, err
	}
	files = append(files, completions...)
	for _, name := range p.docs {
		data, err := os.ReadFile(filepath.Join(r.sources, name))
		if err != nil {
			return nil, fmt.Errorf("cannot read a document: %w", err)
		}
		files = append(files, file{filepath.Base(name), 0o644, data})
	}
	units, err := p.units()
	files = append(files, units...)
	return append(files, file{path: "man/", mode: 0o755}, file{path: "man/man1/", mode: 0o755},
		file{path: "completions/", mode: 0o755}, file{path: "systemd/", mode: 0o755}), err
}

// manPages makes a page for each command that its users see.
func (r *release) manPages(cmd *cobra.Command) (files []file, err error) {
	cmd.DisableAutoGenTag = true
	var page bytes.Buffer
	header := &doc.GenManHeader{Title: strings.ToUpper(strings.ReplaceAll(cmd.CommandPath(), " ", "-")), Section: "1",
		Date: &r.time, Source: cmd.Root().Name() + " " + r.version, Manual: cmd.Root().Name()}
	if err := doc.GenMan(cmd, header, &page); err != nil {
		return nil, fmt.Errorf("cannot make the page of %s: %w", cmd.CommandPath(), err)
	}
	name := strings.ReplaceAll(cmd.CommandPath(), " ", "-")
	files = append(files, file{"man/man1/" + name + ".1", 0o644, page.Bytes()})
	for _, child := range cmd.Commands() {
		if !child.IsAvailableCommand() || child.IsAdditionalHelpTopicCommand() {
			continue
		}
		more, err := r.manPages(child)
		if err != nil {
			return nil, err
		}
		files = append(files, more...)
	}
	return files, nil
}

// completions are those of bash, zsh and fish; their scripts ask the program itself for the words.
func completions(root *cobra.Command) (files []file, err error) {
	for _, shell := range []struct {
		name string
		make func(*bytes.Buffer) error
	}{
		{root.Name() + ".bash", func(b *bytes.Buffer) error { return root.GenBashCompletionV2(b, true) }},
		{"_" + root.Name(), func(b *bytes.Buffer) error { return root.GenZshCompletion(b) }},
		{root.Name() + ".fish", func(b *bytes.Buffer) error { return root.GenFishCompletion(b, true) }},
	} {
		var text bytes.Buffer
		if err := shell.make(&text); err != nil {
			return nil, fmt.Errorf("cannot make the completions: %w", err)
		}
		files = append(files, file{"completions/" + shell.name, 0o644, text.Bytes()})
	}
	return files, nil
}
