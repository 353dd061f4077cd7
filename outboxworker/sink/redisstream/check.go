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
	for _, name := range []string{"maxmemory-policy", "appendonly", "appendfsync"} {
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
	return warnings, nil
}
