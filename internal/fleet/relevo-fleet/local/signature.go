package local

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"strings"

	"aead.dev/minisign"

	"relevo/internal/fleet/relevo-fleet/store"
)

// key is a public key that releases are signed with.
type key struct {
	tool   string // that signs
	suffix string // of the URL of a signature
	fits   func(path, hash string, signature []byte) (bool, error)
}

// readKey reads the key of an app; nil: there is none.
func readKey(o Options) (*key, error) {
	switch {
	case o.Minisign != "" && o.Cosign != "":
		return nil, fmt.Errorf("cannot check releases of %s with two keys: give minisign or cosign", o.Name)
	case o.Minisign != "":
		return minisignKey(o)
	case o.Cosign != "":
		return cosignKey(o)
	}
	return nil, nil
}

func minisignKey(o Options) (*key, error) {
	var public minisign.PublicKey
	if err := public.UnmarshalText([]byte(o.Minisign)); err != nil {
		return nil, fmt.Errorf("cannot read the key of minisign of %s: %w", o.Name, err)
	}
	return &key{"minisign", ".minisig", func(path, _ string, signature []byte) (bool, error) {
		release, err := os.ReadFile(path)
		return err == nil && minisign.Verify(public, release, signature), err
	}}, nil
}

// cosignKey reads what cosign generate-key-pair calls cosign.pub. cosign sign-blob makes an ECDSA
// signature of the file's SHA-256, in base64.
func cosignKey(o Options) (*key, error) {
	block, _ := pem.Decode([]byte(o.Cosign))
	if block == nil {
		return nil, fmt.Errorf("cannot read the key of cosign of %s: it is not in PEM, as cosign.pub is", o.Name)
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("cannot read the key of cosign of %s: %w", o.Name, err)
	}
	public, ok := parsed.(*ecdsa.PublicKey)
	if !ok || public.Curve != elliptic.P256() {
		return nil, fmt.Errorf("cannot use the key of cosign of %s: it is not one of ECDSA with the curve P-256, as "+
			"cosign generate-key-pair makes them", o.Name)
	}
	return &key{"cosign", ".sig", func(_, hash string, signature []byte) (bool, error) {
		sum, err := hex.DecodeString(hash)
		if err != nil {
			return false, err
		}
		// The decoder ignores line breaks.
		raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(signature)))
		return err == nil && ecdsa.VerifyASN1(public, sum, raw), nil
	}}, nil
}

// verify checks the signature of a file, if there is a key.
func (a *App) verify(ctx context.Context, r store.Release, path, hash string) error {
	if a.key == nil {
		return nil
	}
	signature, err := a.signature(ctx, r)
	if err != nil {
		return fmt.Errorf("cannot get its signature: %w", err)
	}
	fits, err := a.key.fits(path, hash, signature)
	if err == nil && !fits {
		err = fmt.Errorf("its signature does not fit this machine's key of %s", a.key.tool)
	}
	return err
}

func (a *App) signature(ctx context.Context, r store.Release) ([]byte, error) {
	if a.SignatureCommand == "" && r.URL != "" {
		var text bytes.Buffer
		err := download(ctx, strings.ReplaceAll(r.URL, "{version}", r.Version)+a.key.suffix, &text)
		return text.Bytes(), err
	}
	if a.SignatureCommand == "" {
		return nil, errors.New("give the command that prints it as signature in the agent's configuration")
	}
	out, err := os.CreateTemp(a.releases(), ".signature-")
	if err != nil {
		return nil, err
	}
	defer os.Remove(out.Name())
	if err := errors.Join(a.command(ctx, a.SignatureCommand, r, out), out.Close()); err != nil {
		return nil, err
	}
	return os.ReadFile(out.Name())
}
