package browser

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sync"
)

// Page is a tab of a browser.
type Page struct {
	browser *Browser
	session string
	loaded  chan struct{} // gets something when a page is there

	mu         sync.Mutex // guards complaints
	complaints []string
}

// Open opens a page in a new tab, and waits until it has been loaded.
func (b *Browser) Open(ctx context.Context, url string) (*Page, error) {
	var target struct{ TargetID string }
	if err := b.call(ctx, "", "Target.createTarget", map[string]any{"url": "about:blank"}, &target); err != nil {
		return nil, err
	}
	var attached struct{ SessionID string }
	err := b.call(ctx, "", "Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &attached)
	if err != nil {
		return nil, err
	}
	p := &Page{browser: b, session: attached.SessionID, loaded: make(chan struct{}, 1)}
	b.mu.Lock()
	b.pages[p.session] = p
	b.mu.Unlock()
	for _, domain := range []string{"Page", "Runtime", "Log"} {
		if err := p.Call(ctx, domain+".enable", struct{}{}, nil); err != nil {
			return nil, err
		}
	}
	return p, p.Go(ctx, url)
}

// Go has the tab show another page, and waits until it has been loaded.
func (p *Page) Go(ctx context.Context, url string) error {
	select {
	case <-p.loaded: // of the page before
	default:
	}
	var got struct{ ErrorText string }
	if err := p.Call(ctx, "Page.navigate", map[string]any{"url": url}, &got); err != nil {
		return err
	}
	if got.ErrorText != "" {
		return fmt.Errorf("%s: %s", url, got.ErrorText)
	}
	select {
	case <-p.loaded:
		return nil
	case <-p.browser.done:
		return fmt.Errorf("%s: the browser has ended", url)
	case <-ctx.Done():
		return fmt.Errorf("%s has not been loaded: %w", url, ctx.Err())
	}
}

// Call carries out any command of the DevTools protocol for the page. result may be nil.
func (p *Page) Call(ctx context.Context, method string, params, result any) error {
	return p.browser.call(ctx, p.session, method, params, result)
}

// exception is an error of JavaScript.
type exception struct {
	Text      string
	Exception struct{ Description string }
}

func (e *exception) Error() string {
	if e.Exception.Description != "" {
		return e.Exception.Description
	}
	return e.Text
}

// Evaluate evaluates a JavaScript expression, waits for it if it is a promise, and stores its value in
// result unless that is nil.
func (p *Page) Evaluate(ctx context.Context, expression string, result any) error {
	var got struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails *exception
	}
	err := p.Call(ctx, "Runtime.evaluate", map[string]any{
		"expression": expression, "awaitPromise": true, "returnByValue": true, "userGesture": true,
	}, &got)
	switch {
	case err != nil:
		return err
	case got.ExceptionDetails != nil:
		return got.ExceptionDetails
	case result == nil:
		return nil
	case len(got.Result.Value) == 0:
		return fmt.Errorf("%s has no value", expression)
	}
	return json.Unmarshal(got.Result.Value, result)
}

// Screenshot stores what the page looks like in a PNG file.
func (p *Page) Screenshot(ctx context.Context, file string) error {
	var got struct{ Data []byte }
	if err := p.Call(ctx, "Page.captureScreenshot", map[string]any{"captureBeyondViewport": true}, &got); err != nil {
		return err
	}
	return os.WriteFile(file, got.Data, 0o644)
}

// Complaints returns the errors and warnings of the page until now: exceptions that nobody has caught, what
// it has written to its console, and what the browser has, such as that its policy forbids something.
func (p *Page) Complaints() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.complaints...)
}

// happened takes an event of the page.
func (p *Page) happened(m *message) {
	var event struct {
		Type string
		Args []struct {
			Value       any
			Description string
		}
		ExceptionDetails *exception
		Entry            struct{ Level, Text, URL string }
	}
	if json.Unmarshal(m.Params, &event) != nil {
		return
	}
	complaint := ""
	switch m.Method {
	case "Page.loadEventFired":
		select {
		case p.loaded <- struct{}{}:
		default:
		}
	case "Runtime.exceptionThrown":
		complaint = event.ExceptionDetails.Error()
	case "Runtime.consoleAPICalled":
		if event.Type != "error" && event.Type != "warning" && event.Type != "assert" {
			return
		}
		complaint = "console:"
		for _, a := range event.Args {
			if a.Description != "" {
				complaint += " " + a.Description
			} else {
				complaint += fmt.Sprint(" ", a.Value)
			}
		}
	case "Log.entryAdded":
		if event.Entry.Level == "error" || event.Entry.Level == "warning" {
			complaint = event.Entry.Text + " " + event.Entry.URL
		}
	}
	if complaint != "" {
		p.mu.Lock()
		p.complaints = append(p.complaints, complaint)
		p.mu.Unlock()
	}
}
