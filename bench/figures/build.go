package figures

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
)

// BuildRelevo builds relevo as releases are built, and installs it as a package does: it writes
// the file again. The linker writes its file by a mapping, which the kernel then keeps in pages of
// 4 KiB; a file that was written from beginning to end is in larger ones, and starts about a
// millisecond sooner. How large they are depends on the blocks: of a file that was written in one, the
// kernel maps nearly everything at once, which then counts as resident.
func BuildRelevo(ctx context.Context, path string) error {
	linked := path + ".linked"
	build := exec.CommandContext(ctx, "go", "build", "-ldflags=-s -w", "-o", linked, "relevo")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if said, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("cannot build relevo (run this in its repository): %w: %s", err, said)
	}
	defer os.Remove(linked)
	if err := install(linked, path); err != nil {
		return fmt.Errorf("cannot install relevo: %w", err)
	}
	return nil
}

// packageBlock is what dpkg and tar write at once, or more.
const packageBlock = 32 << 10

func install(from, to string) error {
	program, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	file, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o755)
	if err != nil {
		return err
	}
	for block := range slices.Chunk(program, packageBlock) {
		if _, err = file.Write(block); err != nil {
			break
		}
	}
	return errors.Join(err, file.Close())
}
