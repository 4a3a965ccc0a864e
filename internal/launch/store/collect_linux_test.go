package store

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"relevo/internal/phrase"
)

func TestCollect(t *testing.T) {
	t.Parallel()
	b := newBench(t, 2)
	sums := map[string]string{}
	for _, v := range []string{"v1", "v2", "v3", "v4", "v5"} {
		c := b.add(v)
		sums[v] = c.SHA256()
		b.collect()
		if v != "v5" {
			c.Close()
		}
	}
	b.collect()
	b.wantKept("two unused and one in use", "v5", "v4", "v3")
	b.Mark(sums["v3"], Good, "", "f1")
	b.Mark(sums["v4"], Bad, "it crashed", "f1")
	b.SetKeep(1)
	b.collect()
	b.wantKept("the good one before the bad one", "v5", "v3")
	b.SetKeep(0)
	b.collect()
	b.wantKept("the last good one stays", "v5", "v3")
	if j := b.Verdict(sums["v4"]); j.Verdict != Bad || j.Reason != "it crashed" || j.Fingerprint != "f1" ||
		j.Judged.IsZero() {
		t.Errorf("the record of the bad release is %+v", j)
	}
	if j := b.Verdict(sums["v1"]); j != (Judgement{}) {
		t.Errorf("an unknown release has the record %+v", j)
	}
	if err := b.Mark(sums["v1"], Bad, "no copy of it", ""); err != nil {
		t.Fatal(err)
	}
	b.collect()
	if b.Verdict(sums["v1"]).Verdict != Bad {
		t.Error("a bad release without a copy is forgotten")
	}
}

func TestBadRecordsAreBounded(t *testing.T) {
	t.Parallel()
	var all []Record
	for i := range badRecords + 10 {
		at := time.Unix(int64(1000-i), 0)
		all = append(all, Record{SHA256: fmt.Sprint(i), LastUsed: at, Kept: i%2 == 0,
			Judgement: Judgement{Verdict: Bad, Judged: at}})
	}
	doomed, forgotten := surplus(all, all, 0)
	if len(doomed) != badRecords/2 || len(forgotten) != 10 || forgotten[0].SHA256 != fmt.Sprint(badRecords) {
		t.Errorf("%d copies and %d records are removed, from %v on", len(doomed), len(forgotten), forgotten[0].SHA256)
	}
}

// TestTwoMasters: a copy that another process holds is not collected before that process is dead.
func TestTwoMasters(t *testing.T) {
	t.Parallel()
	b := newBench(t, 0)
	file := b.program("v1")
	other := exec.Command(os.Args[0])
	other.Env = append(os.Environ(), holderEnv+"="+b.Dir()+"\n"+file.Name())
	other.Stderr = os.Stderr
	stdin, _ := other.StdinPipe()
	defer stdin.Close()
	stdout, _ := other.StdoutPipe()
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	sum, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	b.collect()
	if len(b.kept()) != 1 {
		t.Error("a copy that another master holds is gone")
	}
	mine, err := b.Get(strings.TrimSpace(sum))
	if err != nil {
		t.Fatal(err)
	}
	other.Process.Kill()
	other.Wait()
	b.collect()
	if len(b.kept()) != 1 {
		t.Error("a copy that this master holds is gone")
	}
	mine.Close()
	b.collect()
	if len(b.kept()) != 0 {
		t.Error("a copy that no process holds is left")
	}
}

// TestStrayTemps: temporary files of dead masters are removed, those that are being written stay.
func TestStrayTemps(t *testing.T) {
	t.Parallel()
	b := newBench(t, 0)
	b.add("v1")
	stray := filepath.Join(b.Dir(), tempPrefix+"1")
	if err := os.WriteFile(stray, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	live, err := b.newTemp()
	if err != nil {
		t.Fatal(err)
	}
	defer live.Close()
	benchIn(t, b.Dir(), 0)
	left, _ := filepath.Glob(filepath.Join(b.Dir(), tempPrefix+"*"))
	if !slices.Equal(left, []string{live.Name()}) {
		t.Errorf("%q are left, want only %q", left, live.Name())
	}
}

// TestWithoutRecord: an entry without its record can still be used.
func TestWithoutRecord(t *testing.T) {
	t.Parallel()
	b := newBench(t, 3)
	c := b.add("v1")
	for _, text := range []string{"", "{"} {
		if err := os.WriteFile(filepath.Join(filepath.Dir(c.Path()), recordName), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if r, err := b.Find(phrase.Hash(c.SHA256())); err != nil || r.Name != "server" || !r.Kept || r.LastUsed.IsZero() {
			t.Errorf("the record is %+v, %v", r, err)
		}
	}
	if again, err := b.Get(c.SHA256()); err != nil {
		t.Error(err)
	} else {
		again.Close()
	}
}

// TestPrune: what is in use stays, here and in other masters. So does the last good release that is
// not in use, for a rollback or a start, and the records of bad releases.
func TestPrune(t *testing.T) {
	t.Parallel()
	b := newBench(t, 9)
	var copies []*Copy
	for _, version := range []string{"v1", "v2", "v3", "v4", "v5"} {
		c := b.add(version)
		copies = append(copies, c)
		verdict := Good
		if version == "v4" {
			verdict = Bad
		}
		if err := b.Mark(c.SHA256(), verdict, "", ""); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range copies[:4] {
		c.Close()
	}
	other := benchIn(t, b.Dir(), 9)
	removed, err := other.Prune()
	if err != nil || removed.Copies != 3 || removed.Bytes <= 0 {
		t.Errorf("removed %+v, %v", removed, err)
	}
	b.wantKept("after it", "v5", "v3")
	if known := b.Verdict(copies[3].SHA256()); known.Verdict != Bad {
		t.Errorf("v4 is recorded as %q", known.Verdict)
	}
	if removed, err := other.Prune(); err != nil || removed.Copies != 0 {
		t.Errorf("again: %+v, %v", removed, err)
	}
	copies[4].Close()
	if removed, err := other.Prune(); err != nil || removed.Copies != 1 {
		t.Errorf("with nothing in use: %+v, %v", removed, err)
	}
	b.wantKept("with nothing in use", "v5")
}
