// Package rediscluster gives tests a Redis that is a cluster of one node, and tells which
// keys the calls of their scripts had. It is for tests only; nothing else may import it.
//
// The package depends on go-redis for the client, beside what testserver needs: that
// package does without, for the sake of modules whose tests want a database alone.
package rediscluster

import (
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/weirproxy/weir/internal/freeport"
	"github.com/weirproxy/weir/internal/testserver"
	"github.com/weirproxy/weir/outboxworker/localserver"
)

const (
	// slots is how many a cluster has.
	slots = 16384
	// servesWithin is generous: a cluster of one serves within seconds.
	servesWithin = 30 * time.Second
)

// Start starts a cluster of one node, which ends with the test, and returns a client of it
// with up to 100 connections. The node has all slots, and refuses calls over several.
func Start(t testing.TB) *redis.ClusterClient {
	t.Helper()
	server := testserver.RedisWith(t, localserver.RedisOptions{Settings: map[string]string{
		"cluster-enabled": "yes", "cluster-announce-ip": "127.0.0.1", "cluster-port": strconv.Itoa(freeport.Port(t)),
	}})
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(server.Port()))
	form(t, address)
	client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{address}, PoolSize: 100})
	t.Cleanup(func() {
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
	return client
}

// form makes a server a cluster, and returns when it serves.
func form(t testing.TB, address string) {
	t.Helper()
	node := redis.NewClient(&redis.Options{Addr: address})
	defer func() { _ = node.Close() }()
	if err := node.Do(t.Context(), "CLUSTER", "ADDSLOTSRANGE", 0, slots-1).Err(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(servesWithin); ; time.Sleep(5 * time.Millisecond) {
		info, err := node.ClusterInfo(t.Context()).Result()
		if err == nil && strings.Contains(info, "cluster_state:ok") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the cluster does not serve: %v\n%s", err, info)
		}
	}
	if err := node.Do(t.Context(), "EVAL", "return 1", 2, "a", "b").Err(); err == nil || !strings.Contains(err.Error(), "CROSSSLOT") {
		t.Fatalf("a call over two slots: %v", err)
	}
}

// Slot returns the slot of a key, 0 to 16383: the CRC16 (XMODEM) of its hash tag, or of all
// of it if there is none, by the cluster specification of Redis.
func Slot(key string) int {
	if _, after, ok := strings.Cut(key, "{"); ok {
		if tag, _, ok := strings.Cut(after, "}"); ok && tag != "" {
			key = tag
		}
	}
	var crc uint16
	for _, b := range []byte(key) {
		crc ^= uint16(b) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
	}
	return int(crc) % slots
}
