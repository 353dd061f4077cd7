package consulserver

// config.go is the configuration of a Consul server.

import (
	"encoding/json"
	"path/filepath"
)

func (s *Server) configFile() string { return filepath.Join(s.dir, "consul.json") }

func (s *Server) dataDir() string { return filepath.Join(s.dir, "data") }

// configuration says everything but -dev, which is no setting of a file.
func (s *Server) configuration() []byte {
	all := map[string]any{
		"node_name":   s.Node,
		"bind_addr":   "127.0.0.1",
		"client_addr": "127.0.0.1",
		"ports": map[string]int{
			"http": s.http, "server": s.rpc, "serf_lan": s.gossip,
			"serf_wan": -1, "dns": -1, "grpc": -1, "grpc_tls": -1,
		},
		"log_level":            "warn",
		"ui_config":            map[string]any{"enabled": false},
		"disable_update_check": true,
		// All clients of a test have the same address.
		"limits": map[string]any{"http_max_conns_per_client": 5000},
		// An election takes a second, not five.
		"performance":        map[string]any{"raft_multiplier": 1},
		"leave_on_terminate": false,
	}
	if s.options.Durable {
		all["server"] = true
		all["data_dir"] = s.dataDir()
		all["bootstrap_expect"] = 1
	}
	if s.options.ACL {
		all["acl"] = map[string]any{
			"enabled":        true,
			"default_policy": "deny",
			"tokens":         map[string]string{"initial_management": s.Token, "agent": s.Token},
		}
	}
	if s.peers != nil {
		var join []string
		for _, peer := range s.peers.Servers {
			join = append(join, loopback(peer.gossip))
		}
		all["bootstrap_expect"] = len(join)
		all["retry_join"] = join
		// By default it tries again after 30 s.
		all["retry_interval"] = "200ms"
		// A server that was killed stays a member, or the second one to be killed, long
		// after the first has come back, would take the majority with it.
		all["autopilot"] = map[string]any{"cleanup_dead_servers": false}
	}
	text, err := json.MarshalIndent(all, "", "\t")
	if err != nil {
		s.t.Errorf("writing the configuration of Consul: %v", err)
	}
	return text
}
