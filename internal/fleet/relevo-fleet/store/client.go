package store

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
)

// Options say where etcd is, and who asks.
type Options struct {
	Endpoints []string
	// CACert, Cert and Key are files for TLS.
	CACert, Cert, Key string
	// User and Password are for an etcd with roles; with a client certificate its name is the user.
	User, Password string
}

// Client is a connection to etcd.
type Client struct {
	etcd    *clientv3.Client
	options Options
	tls     *tls.Config
}

// patience is how long etcd may take for one request before it counts as unreachable.
const patience = 5 * time.Second

// Dial makes a client. It does not wait for etcd: Ping does.
func Dial(o Options) (*Client, error) {
	if len(o.Endpoints) == 0 {
		return nil, errors.New("cannot tell where etcd is: give --etcd https://HOST:2379 (several with commas), or set " +
			"RELEVO_FLEET_ETCD")
	}
	config, err := o.tlsConfig()
	if err != nil {
		return nil, err
	}
	// gRPC's own default waits up to two minutes between two attempts to connect: a machine would be away for so
	// long after etcd is back.
	reconnect := grpc.ConnectParams{MinConnectTimeout: patience, Backoff: backoff.Config{BaseDelay: time.Second,
		Multiplier: 1.6, Jitter: 0.5, MaxDelay: 2 * time.Second}}
	etcd, err := clientv3.New(clientv3.Config{Endpoints: o.Endpoints, TLS: config, Username: o.User,
		Password: o.Password, DialTimeout: patience, DialKeepAliveTime: 10 * time.Second, // the least that gRPC takes
		DialKeepAliveTimeout: 3 * time.Second, DialOptions: []grpc.DialOption{grpc.WithConnectParams(reconnect)},
		Logger: zap.NewNop()})
	if err != nil {
		return nil, (&Client{options: o, tls: config}).explain(err)
	}
	return &Client{etcd: etcd, options: o, tls: config}, nil
}

func (o Options) tlsConfig() (*tls.Config, error) {
	if o.CACert == "" && o.Cert == "" && o.Key == "" {
		return nil, nil // https endpoints are checked with the system's authorities
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if o.CACert != "" {
		text, err := os.ReadFile(o.CACert)
		if err != nil {
			return nil, fmt.Errorf("cannot read the certificate of the authority: %w", err)
		}
		if config.RootCAs = x509.NewCertPool(); !config.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("cannot use %s: it has no certificate in PEM", o.CACert)
		}
	}
	if (o.Cert == "") != (o.Key == "") {
		return nil, errors.New("cannot use a certificate without its key: give --cert and --key")
	}
	if o.Cert != "" {
		pair, err := tls.LoadX509KeyPair(o.Cert, o.Key)
		if err != nil {
			return nil, fmt.Errorf("cannot use the certificate %s with the key %s: %w", o.Cert, o.Key, err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

// Close ends the connection.
func (c *Client) Close() error { return c.etcd.Close() }

// Ping asks etcd for anything.
func (c *Client) Ping(ctx context.Context) error {
	_, err := c.get(ctx, Root, clientv3.WithPrefix(), clientv3.WithLimit(1))
	return err
}

func (c *Client) get(ctx context.Context, key string, o ...clientv3.OpOption) (*clientv3.GetResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	got, err := c.etcd.Get(ctx, key, o...)
	return got, c.explain(err)
}

// commit performs a transaction. It returns false if a comparison did not hold.
func (c *Client) commit(ctx context.Context, compare []clientv3.Cmp, then []clientv3.Op) (int64, bool, error) {
	done, err := c.txn(ctx, compare, then)
	if err != nil {
		return 0, false, err
	}
	return done.Header.Revision, done.Succeeded, nil
}

// txn performs a transaction.
func (c *Client) txn(ctx context.Context, compare []clientv3.Cmp, then []clientv3.Op,
	otherwise ...clientv3.Op) (*clientv3.TxnResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	done, err := c.etcd.Txn(ctx).If(compare...).Then(then...).Else(otherwise...).Commit()
	return done, c.explain(err)
}

// explain says in words what is wrong with etcd.
func (c *Client) explain(err error) error {
	switch {
	case err == nil || errors.Is(err, context.Canceled) || errors.Is(err, rpctypes.ErrCompacted):
		return err
	case errors.Is(err, rpctypes.ErrPermissionDenied):
		return fmt.Errorf("etcd does not permit that to this user: %w\n  etcdctl user get USER shows its roles", err)
	case errors.Is(err, rpctypes.ErrAuthFailed), errors.Is(err, rpctypes.ErrUserEmpty):
		return fmt.Errorf("etcd does not know this user: %w\n  give --user and --password-file, or --cert and --key", err)
	}
	if why := c.diagnose(); why != "" {
		return fmt.Errorf("cannot reach etcd: %s", why)
	}
	return fmt.Errorf("cannot get an answer of etcd at %s: %w\n  etcdctl endpoint status shows whether it has a leader",
		strings.Join(c.options.Endpoints, ","), err)
}

// diagnose connects by itself to learn what gRPC does not say. It returns nothing if a member can be reached.
func (c *Client) diagnose() string {
	var why []string
	for _, endpoint := range c.options.Endpoints {
		err := c.tryEndpoint(endpoint)
		if err == nil {
			return ""
		}
		why = append(why, fmt.Sprintf("%s: %v", endpoint, err))
	}
	return strings.Join(why, "; ")
}

func (c *Client) tryEndpoint(endpoint string) error {
	address := endpoint[strings.LastIndex(endpoint, "/")+1:]
	dialer := &net.Dialer{Timeout: time.Second}
	conn, err := dialer.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	if !strings.HasPrefix(endpoint, "https://") {
		return nil
	}
	config := &tls.Config{}
	if c.tls != nil {
		config = c.tls.Clone()
	}
	config.ServerName, _, _ = net.SplitHostPort(address)
	config.NextProtos = []string{"h2"}
	secured := tls.Client(conn, config)
	conn.SetDeadline(time.Now().Add(time.Second))
	if err := secured.Handshake(); err != nil {
		return err
	}
	// With TLS 1.3 the server says only after the handshake that it refuses the certificate.
	conn.SetDeadline(time.Now().Add(200 * time.Millisecond))
	var timeout net.Error
	if _, err := secured.Read(make([]byte, 1)); err != nil && !errors.As(err, &timeout) || isAlert(err) {
		return err
	}
	return nil
}

func isAlert(err error) bool {
	return err != nil && strings.Contains(err.Error(), "remote error: tls")
}
