package exchange

import (
	"net/http"
	"testing"

	"go.uber.org/zap/zapcore"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/weirproxy/weir/internal/problem"
)

func TestLogLevel(t *testing.T) {
	refusal := problem.Refusal{Status: http.StatusServiceUnavailable}
	byModule := refusal
	byModule.By = "breaker test"
	tests := []struct {
		name    string
		err     error
		handled bool
		want    zapcore.Level
	}{
		{"the service's fault", caddyhttp.Error(502, errTest), false, zapcore.ErrorLevel},
		{"answered by the site", caddyhttp.Error(502, errTest), true, zapcore.DebugLevel},
		{"without a status", caddyhttp.HandlerError{Err: errTest}, false, zapcore.ErrorLevel},
		{"another error", errTest, false, zapcore.ErrorLevel},
		{"the client's fault", caddyhttp.Error(400, errTest), false, zapcore.DebugLevel},
		{"refused by a module", byModule.Handler(), false, zapcore.DebugLevel},
		{"refused by nobody in particular", refusal.Handler(), false, zapcore.ErrorLevel},
	}
	for _, tt := range tests {
		if got := logLevel(tt.err, tt.handled); got != tt.want {
			t.Errorf("%s: level is %v, want %v", tt.name, got, tt.want)
		}
	}
}
