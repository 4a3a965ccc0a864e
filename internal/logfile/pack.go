package logfile

import (
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// packer compresses old files, one after the other, in a goroutine that ends when none is left. A
// failure is tried again at the next rotation; until then the file stays uncompressed.
type packer struct {
	dir  string
	quit chan struct{}

	mu    sync.Mutex
	runs  bool
	again bool // there are new files since the goroutine looked
	all   sync.WaitGroup
}

func newPacker(dir string) *packer { return &packer{dir: dir, quit: make(chan struct{})} }

// start compresses old files in the background.
func (p *packer) start() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.again = true; p.runs || isClosed(p.quit) {
		return
	}
	p.runs = true
	p.all.Go(p.run)
}

// stop cancels the compression; the next master starts it again.
func (p *packer) stop() {
	p.mu.Lock()
	close(p.quit)
	p.mu.Unlock()
	p.all.Wait()
}

// goesOn says whether run was asked for again since it began.
func (p *packer) goesOn() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.runs, p.again = p.again, false
	return p.runs
}

func (p *packer) run() {
	for p.goesOn() {
		files, err := Files(p.dir)
		if err != nil {
			continue
		}
		for _, f := range files[:max(0, len(files)-1)] {
			if _, err := os.Lstat(packedPath(p.dir, f.Number)); !f.Packed && err == nil {
				os.Remove(f.Path) // a master was killed before it removed the original
			} else if !f.Packed {
				p.pack(f)
			}
			if isClosed(p.quit) {
				return
			}
		}
	}
}

var errQuit = errors.New("the packer was stopped")

// pack replaces a file by its compressed copy, which keeps the original's time.
func (p *packer) pack(f File) error {
	from, err := os.Open(f.Path)
	if err != nil {
		return err
	}
	defer from.Close()
	return p.packFrom(from, f)
}

func (p *packer) packFrom(from *os.File, f File) (err error) {
	info, err := from.Stat()
	if err != nil {
		return err
	}
	to, err := os.CreateTemp(p.dir, filepath.Base(packedPath(p.dir, f.Number))+".*"+unfinish)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(to.Name())
		}
	}()
	defer to.Close()
	if err := p.compress(to, from); err != nil {
		return err
	}
	os.Chtimes(to.Name(), info.ModTime(), info.ModTime())
	if err := os.Rename(to.Name(), packedPath(p.dir, f.Number)); err != nil {
		return err
	}
	if err = os.Remove(f.Path); errors.Is(err, fs.ErrNotExist) {
		os.Remove(packedPath(p.dir, f.Number)) // the original was removed meanwhile, as the oldest
	}
	return err
}

func (p *packer) compress(to *os.File, from io.Reader) error {
	z, err := gzip.NewWriterLevel(to, gzip.BestSpeed)
	if err != nil {
		return err
	}
	buffer := make([]byte, 64<<10)
	for {
		if isClosed(p.quit) {
			return errQuit
		}
		n, err := from.Read(buffer)
		if _, err := z.Write(buffer[:n]); err != nil {
			return err
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
	}
	if err := z.Close(); err != nil {
		return err
	}
	return to.Sync() // the original will be removed
}
