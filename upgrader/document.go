package upgrader

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

// Document is a file in memory that is rewritten in place and can be read at any
// moment, also when its writer died in the middle of a write. It has two slots,
// which are written in turn; each begins with a header
//
//	"relevo\x00" format:1 sequence:8 length:8 sha256:32
//
// with numbers in big-endian order, and the whole slot with the higher sequence
// counts.
type Document struct {
	file     *os.File
	sequence uint64
}

const (
	documentMagic  = "relevo\x00"
	documentFormat = 1
	headerSize     = len(documentMagic) + 1 + 8 + 8 + sha256.Size
	// slotSize bounds a document. The file is sparse: only what is written takes
	// memory.
	slotSize = 64 << 20
)

// ErrNoDocument is returned by Read where no slot is whole.
var ErrNoDocument = errors.New("upgrader: the document is damaged")

// NewDocument returns an empty one.
func NewDocument() (*Document, error) {
	file, err := memoryFile("relevo legacy")
	if err != nil {
		return nil, fmt.Errorf("cannot make a document in memory: %w", err)
	}
	return &Document{file: file}, nil
}

// openDocument continues the document in a file, which it takes.
func openDocument(fd int) *Document { return &Document{file: os.NewFile(uintptr(fd), documentFile)} }

// File is the memory. It stays the Document's.
func (d *Document) File() *os.File { return d.file }

// Close lets go of the memory.
func (d *Document) Close() error { return d.file.Close() }

// Write replaces the content. The old one counts until the new one is whole.
func (d *Document) Write(content []byte) error {
	if len(content) > slotSize-headerSize {
		return fmt.Errorf("cannot write a document of %d bytes: %d are possible", len(content), slotSize-headerSize)
	}
	d.sequence++
	at := int64(d.sequence%2) * slotSize
	// The header last: without it the content does not count.
	_, err := d.file.WriteAt(make([]byte, headerSize), at)
	if err == nil {
		_, err = d.file.WriteAt(content, at+int64(headerSize))
	}
	if err == nil {
		_, err = d.file.WriteAt(headerOf(d.sequence, content), at)
	}
	if err != nil {
		return fmt.Errorf("cannot write the document: %w", err)
	}
	return nil
}

func headerOf(sequence uint64, content []byte) []byte {
	sum := sha256.Sum256(content)
	header := append([]byte(documentMagic), documentFormat)
	header = binary.BigEndian.AppendUint64(header, sequence)
	header = binary.BigEndian.AppendUint64(header, uint64(len(content)))
	return append(header, sum[:]...)
}

// Read returns the newest whole content.
func (d *Document) Read() ([]byte, error) {
	var newest []byte
	found := false
	for slot := range int64(2) {
		content, sequence, err := d.readSlot(slot * slotSize)
		if err == nil && (!found || sequence > d.sequence) {
			newest, d.sequence, found = content, sequence, true
		}
	}
	if !found {
		return nil, ErrNoDocument
	}
	return newest, nil
}

func (d *Document) readSlot(at int64) (content []byte, sequence uint64, err error) {
	header := make([]byte, headerSize)
	if _, err := d.file.ReadAt(header, at); err != nil {
		return nil, 0, err
	}
	rest := header[len(documentMagic):]
	sequence, length := binary.BigEndian.Uint64(rest[1:]), binary.BigEndian.Uint64(rest[9:])
	if string(header[:len(documentMagic)]) != documentMagic || rest[0] != documentFormat || length > slotSize {
		return nil, 0, ErrNoDocument
	}
	content = make([]byte, length)
	if _, err := d.file.ReadAt(content, at+int64(headerSize)); err != nil && !errors.Is(err, io.EOF) {
		return nil, 0, err
	}
	if sum := sha256.Sum256(content); string(sum[:]) != string(rest[17:]) {
		return nil, 0, ErrNoDocument
	}
	return content, sequence, nil
}
