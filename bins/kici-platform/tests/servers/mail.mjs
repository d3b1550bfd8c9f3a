// A real mail server for the tests, which delivers to nobody and prints what it takes.
// `node mail.mjs [CERTIFICATE KEY]` prints its port on one line, then each mail as a line of JSON,
// and runs until it is killed. With a certificate it takes mails over STARTTLS alone.

import { readFileSync } from 'node:fs';
import { SMTPServer } from 'smtp-server';

const [certificate, key] = process.argv.slice(2);
const tls = certificate
  ? { cert: readFileSync(certificate), key: readFileSync(key) }
  : { disabledCommands: ['STARTTLS'], allowInsecureAuth: true };

const server = new SMTPServer({
  ...tls,
  authOptional: true,
  disableReverseLookup: true,
  onAuth({ username, password }, _session, done) {
    const isKnown = username === 'kici' && password === 'hush: ä';
    done(isKnown ? null : new Error('no'), { user: username });
  },
  onRcptTo({ address }, _session, done) {
    done(address.startsWith('nobody@') ? new Error('no such mailbox') : null);
  },
  onData(stream, session, done) {
    let text = '';
    stream.setEncoding('utf8').on('data', (part) => (text += part));
    stream.on('end', () => {
      const { mailFrom, rcptTo } = session.envelope;
      const to = rcptTo.map(({ address }) => address);
      const mail = { from: mailFrom.address, to, secure: session.secure, user: session.user, text };
      console.log(JSON.stringify(mail));
      done();
    });
  },
});
server.on('error', () => {});
server.listen(0, '127.0.0.1', () => console.log(server.server.address().port));
