package testleft_test

import (
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"

	"relevo/internal/testleft"
	"relevo/internal/testreq"
)

func TestLeft(t *testing.T) {
	before := testleft.OpenFiles()
	for _, complaint := range []string{testleft.Goroutines(), testleft.Files(before), testleft.Sockets(),
		testleft.Children()} {
		if complaint != "" {
			t.Error(complaint)
		}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	child := exec.Command(testreq.Program(t, "cat"))
	in, err := child.StdinPipe()
	if err == nil {
		err = child.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	for want, complaint := range map[string]string{
		"descriptors are left:":     testleft.Files(before),
		"a socket is left: ":        testleft.Sockets(),
		"child processes are left:": testleft.Children(),
	} {
		if !strings.HasPrefix(complaint, want) {
			t.Errorf("%q, want %q", complaint, want)
		}
	}
	in.Close()
	if err := child.Wait(); err != nil {
		t.Error(err)
	}
	if complaint := testleft.Children(); complaint != "" {
		t.Error(complaint)
	}
}

func TestJudge(t *testing.T) {
	stderr := os.Stderr
	defer func() { os.Stderr = stderr }()
	os.Stderr, _ = os.Open(os.DevNull)
	defer os.Stderr.Close()
	if testleft.Judge(0, "", "") != 0 || testleft.Judge(2, "") != 2 || testleft.Judge(0, "", "a socket is left") != 1 {
		t.Error("a complaint decides, and an empty one does not")
	}
}
