package integration

// plain_cases_test.go lists what clients do.

import (
	"maps"
	"net/http"
	"slices"
	"strings"
)

func get(path string) string {
	return "GET " + path + " HTTP/1.1\r\nHEAD:\r\nConnection: close\r\n\r\n"
}

func plainCases() (cases []plainCase) {
	add := func(name string, talk func(address, name string) string) {
		cases = append(cases, plainCase{name, talk})
	}
	var answers []string
	for _, name := range slices.Sorted(maps.Keys(rawAnswers)) {
		if name != "upgrade" {
			answers = append(answers, name)
		}
	}
	for _, site := range []string{"proxy", "buffered", "handled", "zipped", "zipin", "template", "intercept", "auth"} {
		for _, name := range answers {
			add("h1 get "+site+" "+name, talkH1(part{send: get("/" + site + "/" + name)}))
			if site == "proxy" || site == "zipin" || site == "zipped" {
				add("h1 gzip "+site+" "+name, talkH1(part{send: strings.Replace(get("/"+site+"/"+name), "Connection", "Accept-Encoding: gzip\r\nConnection", 1)}))
				add("h2 get "+site+" "+name, talkH2("GET", "/"+site+"/"+name, "", nil))
				add("h1 head "+site+" "+name, talkH1(part{send: strings.Replace(get("/"+site+"/"+name), "GET", "HEAD", 1)}))
				add("h2 head "+site+" "+name, talkH2("HEAD", "/"+site+"/"+name, "", nil))
			}
			add("h10 "+site+" "+name, talkH1(part{send: "GET /" + site + "/" + name + " HTTP/1.0\r\nHEAD:\r\n\r\n"}))
		}
	}
	for _, check := range answers {
		add("h1 forward auth "+check, talkH1(part{send: get("/auth/length?check=" + check)}))
	}
	for _, site := range []string{"say", "silent", "nothing", "error", "abort"} {
		add("h1 "+site, talkH1(part{send: get("/" + site + "/x")}))
		add("h1 head "+site, talkH1(part{send: strings.Replace(get("/"+site+"/x"), "GET", "HEAD", 1)}))
		add("h2 "+site, talkH2("GET", "/"+site+"/x", "", nil))
		add("h2 post "+site, talkH2("POST", "/"+site+"/x", "hello", nil))
	}
	for _, file := range []string{"small.txt", "large.txt", "none.txt"} {
		for _, extra := range []string{"", "Range: bytes=2-4\r\n", "Range: bytes=2-4,6-7\r\n", "Range: bytes=99999999-\r\n", "If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT\r\n", "If-Match: \"x\"\r\n"} {
			if strings.Contains(extra, ",6") {
				continue // random boundary
			}
			text := strings.Replace(get("/files/"+file), "Connection", extra+"Connection", 1)
			add("h1 file "+file+" "+extra, talkH1(part{send: text}))
			add("h1 head file "+file+" "+extra, talkH1(part{send: strings.Replace(text, "GET", "HEAD", 1)}))
		}
	}
	for _, site := range []string{"proxy", "buffered", "handled", "zipped", "say", "silent", "nothing"} {
		for _, name := range []string{"length", "503", "404"} {
			post := "POST /" + site + "/" + name + " HTTP/1.1\r\nHEAD:\r\nConnection: close\r\n"
			what := site + " " + name
			add("h1 post "+what, talkH1(part{send: post + "Content-Length: 5\r\n\r\nhello"}))
			add("h1 post large "+what, talkH1(part{send: post + "Content-Length: 200000\r\n\r\n" + strings.Repeat("y", 200000)}))
			add("h1 post chunked "+what, talkH1(part{send: post + "Transfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n5\r\nhello\r\n8\r\n world!!\r\n0\r\nX-T: 1\r\n\r\n"}))
			add("h1 post empty "+what, talkH1(part{send: post + "Content-Length: 0\r\n\r\n"}))
			add("h1 post empty chunked "+what, talkH1(part{send: post + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"}))
			if site != "say" && site != "silent" && site != "nothing" { // nobody reads it there
				add("h1 expect "+what, talkH1(part{post + "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n", "\r\n\r\n"}, part{send: "hello"}))
			}
			add("h2 post "+what, talkH2("POST", "/"+site+"/"+name, "hello", nil))
			add("h2 post trailers "+what, talkH2("POST", "/"+site+"/"+name, "hello", func(r *http.Request) {
				r.Trailer = http.Header{"X-T": {"1"}}
				r.Header.Set("Te", "trailers")
			}))
		}
	}
	// one connection
	keep := func(path string) string { return strings.Replace(get(path), "Connection: close\r\n", "", 1) }
	for _, name := range answers {
		if name == "nolength" || name == "http10" || strings.HasPrefix(name, "cut") || name == "badchunk" || name == "garbage" || name == "999" {
			continue
		}
		add("h1 pipelined "+name, talkH1(part{send: keep("/proxy/"+name) + keep("/say/1") + keep("/proxy/json") + keep("/files/small.txt") + get("/proxy/204")}))
	}
	add("h1 pipelined posts", talkH1(part{send: "POST /proxy/length HTTP/1.1\r\nHEAD:\r\nContent-Length: 5\r\n\r\nhelloPOST /proxy/json HTTP/1.1\r\nHEAD:\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}" + "POST /say/x HTTP/1.1\r\nHEAD:\r\nContent-Length: 5\r\n\r\nhello" + get("/proxy/204")}))
	for _, site := range []string{"proxy", "buffered", "handled", "zipped", "zipin", "template", "intercept", "auth"} {
		up := "GET /" + site + "/upgrade HTTP/1.1\r\nHEAD:\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
		add("h1 upgrade "+site, talkH1(part{send: up, until: "\r\n\r\n"}, part{send: "ping", until: "ping"}, part{send: "SHUT"}))
		add("h1 upgrade eager "+site, talkH1(part{send: up + "eager", until: "eager"}, part{send: "SHUT"}))
		add("h1 upgrade refused "+site, talkH1(part{send: strings.Replace(up, "/upgrade", "/404", 1), until: "none"}, part{send: get("/say/x")}))
		add("h1 upgrade not asked "+site, talkH1(part{send: get("/" + site + "/upgrade")}))
	}
	for _, method := range []string{"OPTIONS", "TRACE", "PUT", "DELETE", "PATCH", "BREW", "CONNECT", "get"} {
		add("h1 method "+method, talkH1(part{send: strings.Replace(get("/proxy/length"), "GET", method, 1)}))
	}
	add("h1 options star", talkH1(part{send: "OPTIONS * HTTP/1.1\r\nHEAD:\r\nConnection: close\r\n\r\n"}))
	add("h1 absolute", talkH1(part{send: strings.Replace(get("/proxy/length"), "/proxy", "http://other.test/proxy", 1)}))
	add("h1 odd path", talkH1(part{send: get("/proxy/a%2Fb%20c/..%2f/length?x=%zz&y;z")}))
	add("h1 get with body", talkH1(part{send: strings.Replace(get("/proxy/length"), "Connection", "Content-Length: 5\r\nConnection", 1) + "hello"}))
	add("h1 incremental post", talkH1(part{send: strings.Replace(strings.Replace(get("/proxy/json"), "GET", "POST", 1), "Connection", "Incremental: ?1\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection", 1) + "{}"}))
	return cases
}
