package main

import (
	"encoding/json"
	"fmt"
	"time"
)

// Types of the OCI image format (github.com/opencontainers/image-spec).
const (
	typeIndex    = "application/vnd.oci.image.index.v1+json"
	typeManifest = "application/vnd.oci.image.manifest.v1+json"
	typeConfig   = "application/vnd.oci.image.config.v1+json"
	typeLayer    = "application/vnd.oci.image.layer.v1.tar+gzip"
)

// descriptor names a blob.
type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int               `json:"size"`
	Platform    *ociPlatform      `json:"platform,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

type ociPlatform struct {
	Architecture string `json:"architecture"`
	OS           string `json:"os"`
}

type ociManifest struct {
	SchemaVersion int          `json:"schemaVersion"`
	MediaType     string       `json:"mediaType"`
	Config        *descriptor  `json:"config,omitempty"`
	Layers        []descriptor `json:"layers,omitempty"`
	Manifests     []descriptor `json:"manifests,omitempty"`
}

type ociConfig struct {
	Created      string     `json:"created"`
	Architecture string     `json:"architecture"`
	OS           string     `json:"os"`
	Config       ociRun     `json:"config"`
	RootFS       ociRootFS  `json:"rootfs"`
	History      []ociLayer `json:"history"`
}

// ociRun is what a container runs.
type ociRun struct {
	User       string
	Env        []string
	Entrypoint []string
	Cmd        []string
	WorkingDir string
	StopSignal string
	Labels     map[string]string
}

type ociRootFS struct {
	Type    string   `json:"type"`
	DiffIDs []string `json:"diff_ids"`
}

type ociLayer struct {
	Created   string `json:"created"`
	CreatedBy string `json:"created_by"`
}

// layout collects the blobs of an image.
type layout struct{ files []file }

func (l *layout) add(kind string, data []byte) descriptor {
	sum := digest(data)
	l.files = append(l.files, file{"blobs/sha256/" + sum, 0o644, data})
	return descriptor{MediaType: kind, Digest: "sha256:" + sum, Size: len(data)}
}

func (l *layout) addJSON(kind string, v any) (descriptor, error) {
	data, err := json.Marshal(v)
	return l.add(kind, data), err
}

// image makes one image for all platforms of Linux: an archive of the OCI layout, with nothing in it
// but relevo and an empty /tmp.
func (r *release) image() error {
	l := &layout{}
	index := ociManifest{SchemaVersion: 2, MediaType: typeIndex}
	for _, b := range r.built {
		if b.os != "linux" {
			continue
		}
		d, err := r.imageOf(l, b)
		if err != nil {
			return fmt.Errorf("cannot make the image for %s: %w", b.target, err)
		}
		index.Manifests = append(index.Manifests, d)
	}
	if len(index.Manifests) == 0 {
		return nil
	}
	all, err := l.addJSON(typeIndex, index)
	if err != nil {
		return err
	}
	all.Annotations = map[string]string{"org.opencontainers.image.ref.name": r.version}
	top, err := json.Marshal(ociManifest{SchemaVersion: 2, MediaType: typeIndex, Manifests: []descriptor{all}})
	if err != nil {
		return err
	}
	l.files = append(l.files, file{"index.json", 0o644, top},
		file{"oci-layout", 0o644, []byte(`{"imageLayoutVersion":"1.0.0"}`)},
		file{path: "blobs/", mode: 0o755}, file{path: "blobs/sha256/", mode: 0o755})
	data, err := tarball(l.files, r.time)
	if err != nil {
		return err
	}
	return r.write("relevo_"+r.version+"_image.tar", data)
}

// imageOf adds the image of one platform.
func (r *release) imageOf(l *layout, b binary) (descriptor, error) {
	plain, err := tarball([]file{{"relevo", 0o755, b.data}, {path: "tmp/", mode: 0o1777}}, r.time)
	if err != nil {
		return descriptor{}, err
	}
	packed, err := compress(plain)
	if err != nil {
		return descriptor{}, err
	}
	at := r.time.Format(time.RFC3339)
	config, err := l.addJSON(typeConfig, ociConfig{
		Created: at, Architecture: b.arch, OS: b.os,
		// The user that the example of docs/containers.md has; a number needs no /etc/passwd.
		Config: ociRun{User: "12345:12345", Env: []string{"PATH=/usr/local/bin:/usr/bin:/bin:/"},
			Entrypoint: []string{"/relevo"}, Cmd: []string{"serve", "-l", ":8080"}, WorkingDir: "/",
			StopSignal: "SIGTERM", Labels: r.labels()},
		RootFS:  ociRootFS{Type: "layers", DiffIDs: []string{"sha256:" + digest(plain)}},
		History: []ociLayer{{Created: at, CreatedBy: "packaging/build"}},
	})
	if err != nil {
		return descriptor{}, err
	}
	d, err := l.addJSON(typeManifest, ociManifest{SchemaVersion: 2, MediaType: typeManifest, Config: &config,
		Layers: []descriptor{l.add(typeLayer, packed)}})
	d.Platform = &ociPlatform{Architecture: b.arch, OS: b.os}
	return d, err
}

func (r *release) labels() map[string]string {
	labels := map[string]string{"org.opencontainers.image.title": "relevo", "org.opencontainers.image.version": r.version,
		"org.opencontainers.image.licenses": "Apache-2.0"}
	if r.revision != "" {
		labels["org.opencontainers.image.revision"] = r.revision
	}
	return labels
}
