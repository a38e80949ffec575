package browser

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const patience = time.Minute

func TestBrowser(t *testing.T) {
	if _, err := Find(); err != nil && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'self'")
		w.Header().Set("Content-Type", "text/html")
		w.Write([]byte("<title>a page</title><h1>hello</h1><script>document.title = 'forbidden'</script>"))
	}))
	defer site.Close()
	b, err := Start()
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	p, err := b.Open(ctx, site.URL)
	if err != nil {
		t.Fatal(err)
	}
	var title string
	if err := p.Evaluate(ctx, "Promise.resolve(document.title)", &title); err != nil || title != "a page" {
		t.Errorf("the title is %q, %v", title, err)
	}
	if err := p.Evaluate(ctx, "nothing.at.all", nil); err == nil || !strings.Contains(err.Error(), "nothing is not defined") {
		t.Errorf("the exception is %v", err)
	}
	if err := p.Evaluate(ctx, "console.error('ouch', 1)", nil); err != nil {
		t.Error(err)
	}
	complaints := strings.Join(p.Complaints(), "\n")
	for _, want := range []string{"Content Security Policy", "console: ouch 1"} {
		if !strings.Contains(complaints, want) {
			t.Errorf("the complaints lack %q: %s", want, complaints)
		}
	}
	picture := filepath.Join(t.TempDir(), "page.png")
	if err := p.Screenshot(ctx, picture); err != nil {
		t.Error(err)
	}
	if content, err := os.ReadFile(picture); err != nil || !strings.HasPrefix(string(content), "\x89PNG") {
		t.Errorf("no picture: %v", err)
	}
	if _, err := b.Open(ctx, "http://127.0.0.1:1/"); err == nil {
		t.Error("a page is there where no server is")
	}
}
