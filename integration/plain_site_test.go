package integration

// plain_site_test.go is the configuration of the two, which differs in what is weir's.

import "strings"

const plainSite = `{
	admin {{.Admin}}
	auto_https off
	persist_config off
	servers {
		protocols h1 h2c
	}
}
(weir) {
{{- if .Weir}}
	trace_context {
		response_header X-Trace-Id
	}
	request_metrics {args[0]}
	process_health
	load_shed {args[0]} {
		max_in_flight 1000
	}
	warm_up {args[0]} {
		ramp
		dry_run
	}
	openapi_contract {args[0]} {{.Folder}}/api.yaml {
		responses {{.Responses}}
	}
	canary_route {args[0]} {
		key {header.X-User}
		stage stable
		stage canary 50%
	}
	breaker {args[0]} {
		failure_ratio off
		consecutive 100000
		fallback {
			respond @never "never"
		}
	}
{{- end}}
	@never path /never
}
(policy) {
	transport http {
		keepalive off
	}
{{- if .Weir}}
	lb_policy success_weighted {
		name {args[0]}
		eject_after off
		max_ejected 0%
	}
{{- end}}
}
http://:{{.Port}} {
	bind 127.0.0.1
	root {{.Folder}}
	log {
		output discard
	}
	handle /proxy/* {
		import weir proxy
		reverse_proxy {{.Backend}} {
			import policy proxy
		}
	}
	handle /buffered/* {
		import weir buffered
		reverse_proxy {{.Backend}} {
			import policy buffered
			request_buffers 1MiB
			response_buffers 1MiB
		}
	}
	handle /handled/* {
		import weir handled
		reverse_proxy {{.Backend}} {
			import policy handled
			@bad status 5xx
			handle_response @bad {
				header X-Handled yes
				respond "handled {rp.status_code}" 200
			}
			@gone status 404
			handle_response @gone {
				copy_response 410
			}
			@auth status 401
			handle_response @auth {
				copy_response_headers {
					include WWW-Authenticate
				}
				error 401
			}
			@part status 206
			replace_status @part 200
		}
	}
	handle /auth/* {
		import weir auth
		forward_auth {{.Backend}} {
			import policy auth
			uri /check/{query.check}
			copy_headers X-Two
		}
		reverse_proxy {{.Backend}} {
			import policy auth2
		}
	}
	handle /files/* {
		import weir files
		uri strip_prefix /files
		file_server
	}
	handle /say/* {
		import weir say
		respond "said {path}" 200
	}
	handle /silent/* {
		import weir silent
		respond 204
	}
	handle /nothing/* {
		import weir nothing
	}
	handle /error/* {
		import weir error
		error "no" 418
	}
	handle /abort/* {
		import weir abort
		abort
	}
	handle /zipped/* {
		encode gzip {
			minimum_length 1
		}
		import weir zipped
		reverse_proxy {{.Backend}} {
			import policy zipped
		}
	}
	handle /zipin/* {
		route {
			import weir zipin
			encode gzip {
				minimum_length 1
			}
			reverse_proxy {{.Backend}} {
				import policy zipin
			}
		}
	}
	handle /limited/* {
		import weir limited
		request_body {
			max_size 10
		}
		reverse_proxy {{.Backend}} {
			import policy limited
		}
	}
	handle /template/* {
		import weir template
		templates {
			mime text/plain
		}
		header >X-Late late
		header -X-Two
		reverse_proxy {{.Backend}} {
			import policy template
		}
	}
	handle /intercept/* {
		import weir intercept
		intercept {
			@bad status 5xx
			handle_response @bad {
				respond "intercepted {resp.status_code}" 502
			}
			@found status 404
			replace_status @found 299
		}
		reverse_proxy {{.Backend}} {
			import policy intercept
		}
	}
	handle_errors {
		respond "error {err.status_code}" {err.status_code}
	}
}
`

const plainAPI = `openapi: 3.0.3
info: {title: t, version: "1"}
paths:
  /proxy/json: &op
    parameters: []
    get: {responses: &r {default: {description: d, content: {application/json: {schema: {type: object}}, text/plain: {schema: {type: string}}}}}}
    post: {requestBody: {content: {application/json: {schema: {type: object}}}}, responses: *r}
  /proxy/jsonchunks: *op
  /buffered/jsonchunks: *op
  /zipped/json: *op
  /zipin/json: *op
  /template/json: *op
`

// plainDocument declares what is got, too.
func plainDocument() string {
	text := plainAPI
	for name := range rawAnswers {
		for _, site := range []string{"proxy", "zipin", "zipped"} {
			if !strings.Contains(name, "json") {
				text += "  /" + site + "/" + name + ":\n    get: {responses: *r}\n"
			}
		}
	}
	return text
}
