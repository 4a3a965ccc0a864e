package launch

import (
	"bufio"
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"relevo/internal/launch/shim"
	"relevo/internal/safefile"
	"relevo/pool"
)

// diagnoseFile says why a file cannot be run. It checks that it exists, is a file, may be
// executed, is for this machine, and that its interpreter exists.
func diagnoseFile(path, pathVariable string) error {
	refuse := func(cause error, why string, args ...any) error {
		return &programError{path: path, why: fmt.Sprintf(why, args...), cause: cause}
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return refuse(err, "%s", missingPart(path))
	case err != nil:
		return refuse(err, "%v", withoutPath(err))
	case info.IsDir():
		return refuse(syscall.EISDIR, "it is a directory; name the program in it")
	case !info.Mode().IsRegular():
		return refuse(syscall.EACCES, "it is not a regular file (%s)", info.Mode().Type())
	case !mayExecute(path):
		return refuse(syscall.EACCES, "no permission to execute it (mode %04o, owner %s, this is user %s); try chmod +x",
			info.Mode().Perm(), ownerOf(info), userName(os.Geteuid()))
	}
	if why := foreignFormat(path, pathVariable); why != "" {
		return refuse(syscall.ENOEXEC, "%s", why)
	}
	return nil
}

// withoutPath returns the error number in an error of package os.
func withoutPath(err error) error {
	var number syscall.Errno
	if errors.As(err, &number) {
		return number
	}
	return err
}

// missingPart names the first part of a path that does not exist, because
// "no such file" about a long path sends people looking in the wrong place.
func missingPart(path string) string {
	if link, err := os.Readlink(path); err == nil {
		return "it is a symbolic link to " + link + ", which does not exist; point it to the program"
	}
	for part := filepath.Dir(path); part != "/" && part != "."; part = filepath.Dir(part) {
		if _, err := os.Stat(filepath.Dir(part)); err != nil {
			continue
		}
		if _, err := os.Stat(part); errors.Is(err, fs.ErrNotExist) {
			return "the directory " + part + " does not exist; correct the path"
		}
	}
	return "no such file; build it, or correct the path"
}

func ownerOf(info fs.FileInfo) string {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return userName(int(stat.Uid))
	}
	return "unknown"
}

func userName(uid int) string {
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return u.Username
	}
	return strconv.Itoa(uid)
}

// machines are the ELF names of the processors that Go runs on.
var machines = map[string]elf.Machine{
	"amd64": elf.EM_X86_64, "386": elf.EM_386, "arm64": elf.EM_AARCH64, "arm": elf.EM_ARM,
	"riscv64": elf.EM_RISCV, "ppc64le": elf.EM_PPC64, "s390x": elf.EM_S390, "loong64": elf.EM_LOONGARCH,
}

// foreignFormat says why the kernel would not run the file's bytes, empty if it
// cannot tell. A 32-bit x86 program runs on a 64-bit kernel.
func foreignFormat(path, pathVariable string) string {
	file, err := safefile.Open(path)
	if err != nil {
		return "" // execute permission is enough to run it
	}
	defer file.Close()
	head := make([]byte, 4)
	n, _ := file.ReadAt(head, 0)
	head = head[:n]
	switch {
	case n == 0:
		return "the file is empty; build or copy it again"
	case runtime.GOOS == "linux" && string(head) == elf.ELFMAG:
		return foreignMachine(file)
	case bytes.HasPrefix(head, []byte("MZ")):
		return "it is a Windows program; build it for " + runtime.GOOS
	case runtime.GOOS == "linux" && (bytes.Equal(head, []byte{0xcf, 0xfa, 0xed, 0xfe}) ||
		bytes.Equal(head, []byte{0xca, 0xfe, 0xba, 0xbe})):
		return "it is a macOS program; build it for " + runtime.GOOS
	case bytes.HasPrefix(head, []byte("#!")):
		if _, err := interpreterPath(firstLine(file), pathVariable); err != nil {
			return err.Error()
		}
	}
	return ""
}

const notWhole = "it is not a whole ELF file (half written?)"

func foreignMachine(file *os.File) string {
	header, err := elf.NewFile(file)
	if err != nil {
		return fmt.Sprintf("%s: %v; build or copy it again", notWhole, err)
	}
	ours := machines[runtime.GOARCH]
	if header.Machine == ours || (ours == elf.EM_X86_64 && header.Machine == elf.EM_386) ||
		(ours == elf.EM_AARCH64 && header.Machine == elf.EM_ARM) {
		return missingLoader(header)
	}
	return fmt.Sprintf("it is built for another machine (%s); build it for %s",
		strings.TrimPrefix(header.Machine.String(), "EM_"), runtime.GOARCH)
}

// missingLoader finds the case in which the kernel says "no such file" about a
// file that is there: its dynamic loader is not, as with a glibc program on a
// musl system.
func missingLoader(header *elf.File) string {
	for _, program := range header.Progs {
		if program.Type != elf.PT_INTERP || program.Filesz > 4096 {
			continue
		}
		name := make([]byte, program.Filesz)
		if _, err := program.ReadAt(name, 0); err != nil {
			return notWhole + "; build or copy it again"
		}
		loader := strings.TrimRight(string(name), "\x00")
		if _, err := os.Stat(loader); errors.Is(err, fs.ErrNotExist) {
			return "its dynamic loader " + loader +
				" does not exist (built for another distribution?); build it here, or link it statically"
		}
	}
	return ""
}

func firstLine(file *os.File) string {
	line, _ := bufio.NewReaderSize(file, 512).ReadSlice('\n')
	return strings.TrimRight(string(line), "\n")
}

// hintFor explains an end that people often puzzle over. Where the master asked
// for the end, by a signal or a message, there is nothing to puzzle over.
func hintFor(status pool.ExitStatus, asked bool) string {
	switch {
	case asked && (status.Signal != 0 || status.Code == 0):
		return ""
	case status.Signal == syscall.SIGKILL:
		return "relevo did not send that signal: look for the kernel's out-of-memory killer (dmesg) or another program's kill"
	case status.Signal == syscall.SIGSYS:
		return "a seccomp filter does not allow what it did"
	case status.Signal == 0 && status.Error == "" && status.Code == 0:
		return "it ended by itself: a worker stays in the foreground and serves until it gets the stop signal; " +
			"if it puts itself into the background, find its flag for the foreground"
	case status.Code == 126 || status.Code == 127:
		return "a shell could not find or run a program"
	}
	return ""
}

// hintOf looks at the file that the shim could not run, for causes that the error number does
// not show.
func (r *Release) hintOf(f *shim.Failure) string {
	if !f.OfProgram() {
		return ""
	}
	if f.Errno == syscall.ETXTBSY {
		return "a program still has the file open for writing; start it when the copy is finished"
	}
	if f.Errno == syscall.EACCES && r.account != nil {
		return "user " + r.account.Name + " must be able to enter its directory and to execute it"
	}
	if err := diagnoseFile(r.program(), pathOf(environ(r.command.inherited(), r.env, scene{}))); err != nil {
		return err.Error()
	}
	if f.Errno == syscall.ENOEXEC {
		return "it is neither a program for this machine nor a script; a script begins with #! and its interpreter"
	}
	return ""
}
