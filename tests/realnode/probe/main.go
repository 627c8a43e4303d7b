// probe is what runs in the pods of the drill and beside it:
//
//	probe http ADDR                     an HTTP server that says its host's name
//	probe get URL                       fetches a URL; the certificate is not looked at
//	probe ask URL...                    fetches each of them once a second, and says how that went
//	probe trickle FILE PATH [FILE PATH] creates objects at the API server ten times a second, as dry runs, until SIGTERM;
//	                                    then it says how many and how many failed
//	pause                               sleeps and reaps: PID 1 of pods, and of the node's namespaces
package main

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"syscall"
	"time"
)

func main() {
	if filepath.Base(os.Args[0]) == "pause" {
		pause()
	}
	if len(os.Args) < 3 {
		log.Fatal("usage: probe http|get|ask|trickle ...")
	}
	switch os.Args[1] {
	case "http":
		host, _ := os.Hostname()
		http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, "hello from %s to %s\n", host, r.RemoteAddr)
		})
		log.Fatal(http.ListenAndServe(os.Args[2], nil))
	case "get":
		client := http.Client{Timeout: 4 * time.Second, Transport: insecure()}
		answer, err := client.Get(os.Args[2])
		if err != nil {
			fmt.Println("ERR", err)
			os.Exit(1)
		}
		fmt.Println(answer.Status)
		io.Copy(os.Stdout, answer.Body)
	case "ask":
		client := http.Client{Timeout: 2 * time.Second, Transport: insecure()}
		// Each time anew: what is connected stays so.
		client.Transport.(*http.Transport).DisableKeepAlives = true
		for ; ; time.Sleep(time.Second) {
			for _, url := range os.Args[2:] {
				if answer, err := client.Get(url); err != nil {
					fmt.Println(url, "fails:", err)
				} else {
					answer.Body.Close()
					fmt.Println(url, "answers:", answer.Status)
				}
			}
		}
	case "trickle":
		trickle(os.Args[2:])
	}
}

func insecure() *http.Transport {
	return &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
}

func pause() {
	ends := make(chan os.Signal, 1)
	signal.Notify(ends, syscall.SIGCHLD, syscall.SIGINT, syscall.SIGTERM)
	for s := range ends {
		if s != syscall.SIGCHLD {
			os.Exit(0)
		}
		for {
			if pid, _ := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); pid <= 0 {
				break
			}
		}
	}
}

// trickle takes the server and the token from the kubeconfig that up.sh writes, which has one of each.
func trickle(pairs []string) {
	config, err := os.ReadFile(os.Getenv("KUBECONFIG"))
	if err != nil {
		log.Fatal(err)
	}
	find := func(pattern string) string {
		found := regexp.MustCompile(pattern).FindSubmatch(config)
		if found == nil {
			log.Fatalf("no %s in the kubeconfig", pattern)
		}
		return string(found[1])
	}
	server, token := find(`server: "([^"]+)"`), find(`token: "([^"]+)"`)
	client := http.Client{Timeout: 10 * time.Second, Transport: insecure()}
	ends := make(chan os.Signal, 1)
	signal.Notify(ends, syscall.SIGINT, syscall.SIGTERM)
	tick := time.NewTicker(100 * time.Millisecond)
	sent, failed := 0, 0
	for {
		select {
		case <-ends:
			fmt.Printf("%d created, %d refused\n", sent, failed)
			return
		case <-tick.C:
		}
		for at := 0; at+1 < len(pairs); at += 2 {
			body, err := os.ReadFile(pairs[at])
			if err != nil {
				log.Fatal(err)
			}
			request, _ := http.NewRequest("POST", server+pairs[at+1]+"?dryRun=All", bytes.NewReader(body))
			request.Header.Set("Authorization", "Bearer "+token)
			request.Header.Set("Content-Type", "application/yaml")
			sent++
			answer, err := client.Do(request)
			if err != nil {
				failed++
				fmt.Println(err)
				continue
			}
			text, _ := io.ReadAll(answer.Body)
			answer.Body.Close()
			if answer.StatusCode >= 300 {
				failed++
				fmt.Println(answer.Status, string(text))
			}
		}
	}
}
