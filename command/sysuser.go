package command

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"shoal/node"
	"shoal/node/auth"
)

// systemPasswordVariable has the password of the user of the system account, for where a file is awkward.
const systemPasswordVariable = "SHOAL_SYS_PASS"

// systemUser is who may look at the servers and change them through the system account.
type systemUser struct{ name, passwordFile string }

func (u *systemUser) flags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Category: categoryAuth, Name: "sys_user",
			Usage: "`NAME` of a user of the system account, whom nats server asks for; everybody else is let in as before " +
				"[$" + systemPasswordVariable + " has the password]",
			Destination: &u.name},
		&cli.StringFlag{Category: categoryAuth, Name: "sys_pass_file",
			Usage: "`FILE` with the password of --sys_user, or its bcrypt hash", Destination: &u.passwordFile},
	}
}

// beside returns an authenticator that admits the user to the account of that name, and everybody else as a
// does, which is nil if it admits everybody.
func (u *systemUser) beside(a node.Authenticator, account string, log *slog.Logger) (node.Authenticator, error) {
	if u.name == "" {
		if u.passwordFile != "" {
			return nil, errors.New("--sys_pass_file: needs --sys_user as well")
		}
		return a, nil
	}
	password, err := u.password(log)
	if err != nil {
		return nil, err
	}
	rest, _ := a.(*auth.Users)
	if rest != nil && rest.Has(u.name) {
		return nil, fmt.Errorf("--sys_user: there is a user %q already, choose another name", u.name)
	}
	few, err := auth.New(auth.Config{Users: []auth.User{{
		Name:     u.name,
		Password: password,
		Account:  cmp.Or(account, node.SystemAccount),
	}}})
	if err != nil {
		return nil, fmt.Errorf("--sys_user: %w", err)
	}
	return auth.NewBesides(few, rest), nil
}

func (u *systemUser) password(log *slog.Logger) (string, error) {
	password := os.Getenv(systemPasswordVariable)
	if file := u.passwordFile; file != "" {
		content, err := os.ReadFile(file)
		if err != nil {
			return "", fmt.Errorf("--sys_pass_file: cannot read %s: %w", file, reason(err))
		}
		if info, err := os.Stat(file); err == nil && info.Mode().Perm()&0o007 != 0 {
			log.Warn("Everybody on this machine may read the password of the system user, change the mode of the file",
				"file", file)
		}
		if password = strings.TrimRight(string(content), "\r\n"); password == "" {
			return "", fmt.Errorf("--sys_pass_file: %s is empty", file)
		}
	}
	if password == "" {
		return "", fmt.Errorf("--sys_user: needs a password, in the file of --sys_pass_file or in %s", systemPasswordVariable)
	}
	return password, nil
}
