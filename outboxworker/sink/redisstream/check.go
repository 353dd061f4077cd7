package redisstream

// check.go holds what an operator should know about the server.

import (
	"context"
	"fmt"
)

// Check asks Redis whether it answers, and how safe messages are with it. Its warnings
// are sentences for an operator. Where Redis does not let itself be asked, as hosted
// ones often do not, a warning says that too.
func (s *Sink) Check(ctx context.Context) (warnings []string, err error) {
	if err := s.client.Ping(ctx).Err(); err != nil {
		return nil, fmt.Errorf("asking Redis: %w", err)
	}
	settings := make(map[string]string)
	names := []string{"maxmemory-policy", "appendonly", "appendfsync"}
	if s.settings.Sentinel != nil {
		names = append(names, "min-replicas-to-write")
	}
	for _, name := range names {
		answer, err := s.client.ConfigGet(ctx, name).Result()
		if value, ok := answer[name]; err == nil && ok {
			settings[name] = value
			continue
		}
		reason := "Redis has no such setting"
		if err != nil {
			reason = cleanText(err.Error())
		}
		warnings = append(warnings, fmt.Sprintf("%s is unknown: %s.", name, reason))
	}

	if policy, ok := settings["maxmemory-policy"]; ok && policy != "noeviction" {
		warnings = append(warnings, fmt.Sprintf("maxmemory-policy is %s: when memory runs out, Redis may delete streams; set it to noeviction.", policy))
	}
	if settings["appendonly"] == "no" {
		warnings = append(warnings, "appendonly is no: when Redis dies, all messages since its last snapshot are lost; set it to yes.")
	}
	switch fsync := settings["appendfsync"]; fsync {
	case "", "always", "everysec":
	default:
		warnings = append(warnings, fmt.Sprintf("appendfsync is %s: when the machine dies, messages are lost that Redis has taken; "+
			"set it to always, or to everysec to lose a second's at most.", fsync))
	}
	if settings["min-replicas-to-write"] == "0" {
		warnings = append(warnings, "min-replicas-to-write is 0: a master whose replicas are away, or that was cut off and replaced, goes on taking messages, "+
			"which are lost with the failover; set it to 1, and min-replicas-max-lag to the seconds that may be lost.")
	}
	return warnings, nil
}
