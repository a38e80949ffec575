package auth

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"slices"
	"strings"
)

// attributes are the names of the parts of a distinguished name that a user may be mapped by. A
// subject with others is compared only as Go writes it.
var attributes = map[string]string{
	"2.5.4.3":                   "CN",
	"2.5.4.5":                   "SERIALNUMBER",
	"2.5.4.6":                   "C",
	"2.5.4.7":                   "L",
	"2.5.4.8":                   "ST",
	"2.5.4.9":                   "STREET",
	"2.5.4.10":                  "O",
	"2.5.4.11":                  "OU",
	"2.5.4.17":                  "POSTALCODE",
	domainComponent:             "DC",
	"0.9.2342.19200300.100.1.1": "UID",
	"1.2.840.113549.1.9.1":      "EMAILADDRESS",
}

const domainComponent = "0.9.2342.19200300.100.1.25"

// distinguishedName is a name such as "CN=alice,O=x", part by part. A part has its attributes as
// "NAME=value", sorted.
type distinguishedName [][]string

// parseName reads a distinguished name as RFC 4514 writes it. It reports false for what is none.
func parseName(s string) (distinguishedName, bool) {
	var name distinguishedName
	var part []string
	for {
		attribute, rest, ok := strings.Cut(s, "=")
		attribute = strings.ToUpper(strings.TrimSpace(attribute))
		if !ok || attribute == "" || strings.ContainsAny(attribute, ",+\\") {
			return nil, false
		}
		value, end, after, ok := parseValue(rest)
		if !ok {
			return nil, false
		}
		part = append(part, attribute+"="+value)
		if end != '+' {
			slices.Sort(part)
			name = append(name, part)
			part = nil
		}
		if end == 0 {
			return name, true
		}
		s = after
	}
}

// parseValue reads a value up to the separator that ends it, which is 0 at the end of the text.
func parseValue(s string) (value string, end byte, rest string, ok bool) {
	s = strings.TrimLeft(s, " ")
	if strings.HasPrefix(s, "#") {
		return "", 0, "", false // binary
	}
	var b []byte
	kept := 0 // as far as blanks at the end do not matter
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case ',', '+':
			return string(b[:kept]), c, s[i+1:], true
		case '\\':
			if i++; i == len(s) {
				return "", 0, "", false
			}
			if strings.IndexByte(` "#+,;<=>\`, s[i]) >= 0 {
				b = append(b, s[i])
			} else {
				octet, err := hex.DecodeString(s[i:min(i+2, len(s))])
				if err != nil {
					return "", 0, "", false
				}
				b = append(b, octet...)
				i++
			}
			kept = len(b)
		default:
			b = append(b, c)
			if c != ' ' {
				kept = len(b)
			}
		}
	}
	return string(b[:kept]), 0, "", true
}

// equal compares part by part.
func (n distinguishedName) equal(other distinguishedName) bool {
	return slices.EqualFunc(n, other, slices.Equal[[]string])
}

// sorted returns the name with its parts in an order that does not depend on the one they had.
func (n distinguishedName) sorted() distinguishedName {
	s := slices.Clone(n)
	slices.SortFunc(s, slices.Compare[[]string])
	return s
}

// subjectNames returns the subject of a certificate as a distinguished name, nil if it has
// attributes without a name, and as the texts by which Go programs know it.
func subjectNames(cert *x509.Certificate) (name distinguishedName, texts []string) {
	plain := cert.Subject.ToRDNSequence().String()
	var raw pkix.RDNSequence
	if _, err := asn1.Unmarshal(cert.RawSubject, &raw); err != nil {
		return nil, []string{plain}
	}
	var domains []string
	known := true
	for _, set := range raw {
		var part []string
		for _, a := range set {
			value, text := a.Value.(string)
			attribute := attributes[a.Type.String()]
			known = known && text && attribute != ""
			part = append(part, attribute+"="+value)
			if text && a.Type.String() == domainComponent {
				domains = append(domains, "DC="+value)
			}
		}
		if len(part) > 0 {
			slices.Sort(part)
			name = append(name, part)
		}
	}
	// A certificate has the most general part first, the text has it last.
	slices.Reverse(name)
	if !known {
		name = nil
	}
	if len(domains) > 0 {
		texts = append(texts, plain+","+strings.Join(domains, ","))
	}
	return name, append(texts, plain)
}

// certificateUser returns the user that a certificate names, the more specific names first: e-mail
// addresses, host names, URIs, and then the subject.
func (u *Users) certificateUser(cert *x509.Certificate, connection string) *account {
	names := slices.Concat(cert.EmailAddresses, cert.DNSNames)
	for _, uri := range cert.URIs {
		names = append(names, uri.String())
	}
	for _, n := range names {
		if a := u.names[n]; a != nil && a.comesBy(connection) {
			return a
		}
	}
	subject, texts := subjectNames(cert)
	if len(subject) > 0 {
		if a := u.byDistinguishedName(subject, connection); a != nil {
			return a
		}
	}
	for _, n := range texts {
		if a := u.names[n]; a != nil && a.comesBy(connection) {
			return a
		}
	}
	return nil
}

// NamedBy reports whether a certificate names the user of that name, as one of several users would be found
// by it.
func NamedBy(cert *x509.Certificate, name string) bool {
	a := &account{user: &User{Name: name}}
	u := &Users{names: map[string]*account{name: a}}
	var ok bool
	if a.name, ok = parseName(name); ok {
		u.distinguished = []*account{a}
	}
	return u.certificateUser(cert, "") != nil
}

// byDistinguishedName returns the user whose name has the same parts, preferably in the same order.
func (u *Users) byDistinguishedName(subject distinguishedName, connection string) *account {
	var reordered *account
	sorted := subject.sorted()
	for _, a := range u.distinguished {
		switch {
		case !a.comesBy(connection):
		case a.name.equal(subject):
			return a
		case reordered == nil && a.name.sorted().equal(sorted):
			reordered = a
		}
	}
	return reordered
}
