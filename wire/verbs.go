package wire

// legalVerbs lists what each role may write.
var legalVerbs = [...][]Verb{
	FromClient: {Pub, HPub, Sub, Unsub, Ping, Pong, Connect, Info, OK, Err},
	FromRoute: {
		RMsg, RHMsg, RSub, RUnsub, Ping, Pong, LMsg, LSub, LUnsub,
		Connect, Info, OK, Err, Account,
	},
	FromServer: {Msg, HMsg, Ping, Pong, OK, Err, Info},
}

// matchVerb reads the verb at the start of b and returns its length. It returns None if b is the
// beginning of a verb, and false if it is the beginning of none.
func (p *Parser) matchVerb(b []byte) (verb Verb, n int, ok bool) {
	for _, v := range legalVerbs[p.Role] {
		name := verbNames[v]
		n = min(len(name), len(b))
		if !equalFold(b[:n], name[:n]) {
			continue
		}
		if n < len(name) {
			return None, 0, true
		}
		switch v {
		case Ping, Pong, OK, Connect, Info:
			return v, n, true
		case Account:
			// One letter stands for A+ and A-.
			switch {
			case len(b) == n:
				return None, 0, true
			case b[n] != '+' && b[n] != '-':
				return None, 0, false
			case len(b) == n+1:
				return None, 0, true
			}
			return v, n, isBlank(b[n+1])
		}
		if len(b) == n {
			return None, 0, true
		}
		return v, n, isBlank(b[n])
	}
	return None, 0, false
}

// equalFold compares b with an upper-case name, ignoring the case of ASCII letters.
func equalFold(b []byte, name string) bool {
	for i, c := range b {
		if 'a' <= c && c <= 'z' {
			c -= 'a' - 'A'
		}
		if c != name[i] {
			return false
		}
	}
	return true
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

func isMessage(v Verb) bool {
	switch v {
	case Pub, HPub, Msg, HMsg, RMsg, RHMsg, LMsg:
		return true
	}
	return false
}
