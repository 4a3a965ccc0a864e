package main

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// file is one that goes into archives and packages. A path that ends with a slash is a directory.
type file struct {
	path string
	mode int64
	data []byte
}

func (f file) isDir() bool { return strings.HasSuffix(f.path, "/") }

// tarball makes the same bytes of the same files.
func tarball(files []file, at time.Time) ([]byte, error) {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, f := range slices.SortedFunc(slices.Values(files), byPath) {
		h := &tar.Header{Name: f.path, Mode: f.mode, Size: int64(len(f.data)), ModTime: at, Typeflag: tar.TypeReg,
			Format: tar.FormatUSTAR}
		if f.isDir() {
			h.Typeflag = tar.TypeDir
		}
		if err := w.WriteHeader(h); err != nil {
			return nil, fmt.Errorf("cannot archive %s: %w", f.path, err)
		}
		if _, err := w.Write(f.data); err != nil {
			return nil, fmt.Errorf("cannot archive %s: %w", f.path, err)
		}
	}
	err := w.Close()
	return out.Bytes(), err
}

func byPath(a, b file) int { return cmp.Compare(a.path, b.path) }

// compress is gzip without a name and a time.
func compress(data []byte) ([]byte, error) {
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(data); err != nil {
		return nil, err
	}
	err = w.Close()
	return out.Bytes(), err
}

func (r *release) tgz(files []file) ([]byte, error) {
	data, err := tarball(files, r.time)
	if err != nil {
		return nil, err
	}
	return compress(data)
}

// base is the name of the files of a program for a target, without an extension.
func (r *release) base(program string, t target) string {
	return program + "_" + r.version + "_" + t.os + "_" + t.arch
}

// archive is the binary with all that belongs to it, in one directory.
func (r *release) archive(b binary) error {
	base := r.base(b.program.name, b.target)
	top := base + "/"
	files := []file{{path: top, mode: 0o755}, {path: top + b.program.name, mode: 0o755, data: b.data}}
	for _, f := range b.program.shared {
		f.path = top + f.path
		files = append(files, f)
	}
	data, err := r.tgz(files)
	if err != nil {
		return err
	}
	return r.write(base+".tar.gz", data)
}

// checksums is the list that sha256sum -c reads.
func (r *release) checksums() error {
	var list strings.Builder
	slices.Sort(r.names)
	for _, name := range r.names {
		sum, err := r.sum(name)
		if err != nil {
			return err
		}
		fmt.Fprintf(&list, "%s  %s\n", sum, name)
	}
	return r.write("checksums.txt", []byte(list.String()))
}

// sum is the SHA-256 of a file that was made.
func (r *release) sum(name string) (string, error) {
	data, err := os.ReadFile(filepath.Join(r.out, name))
	if err != nil {
		return "", fmt.Errorf("cannot read a file of the release: %w", err)
	}
	return digest(data), nil
}

func digest(data []byte) string { return fmt.Sprintf("%x", sha256.Sum256(data)) }
