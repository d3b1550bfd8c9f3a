// A real identity provider for the tests of signing in: whoever comes is Ada.
// `node provider.mjs REDIRECT_URI` prints its address on one line, and runs until it is killed.

import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import Provider from 'oidc-provider';

const RESOURCE = 'urn:kici:platform';
const SCOPE = 'openid profile email offline_access';
const ADA = { email: 'ada@example.org', email_verified: true, name: 'Ada Lovelace' };
const DEVICE = 'urn:ietf:params:oauth:grant-type:device_code';

const jwk = (alg, ...how) => ({
  ...generateKeyPairSync(...how).privateKey.export({ format: 'jwk' }),
  alg,
  use: 'sig',
  kid: alg,
});

const native = (client_id) => ({
  client_id,
  application_type: 'native',
  token_endpoint_auth_method: 'none',
  grant_types: ['authorization_code', 'refresh_token', DEVICE],
  redirect_uris: ['http://127.0.0.1/callback'],
});

const server = createServer();
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: 'platform',
        client_secret: 'a secret: with + and %',
        redirect_uris: [process.argv[2]],
        id_token_signed_response_alg: 'ES256',
      },
      native('kici-cli'),
      native('kici-opaque'),
    ],
    jwks: {
      keys: [
        jwk('RS256', 'rsa', { modulusLength: 2048 }),
        jwk('ES256', 'ec', { namedCurve: 'P-256' }),
        jwk('EdDSA', 'ed25519'),
      ],
    },
    cookies: { keys: ['test'] },
    claims: { openid: ['sub'], profile: ['name'], email: ['email', 'email_verified'] },
    findAccount: (_, accountId) => ({ accountId, claims: () => ({ sub: accountId, ...ADA }) }),
    extraTokenClaims: () => ADA,
    issueRefreshToken: () => true,
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
    async loadExistingGrant(ctx) {
      const { client, session } = ctx.oidc;
      const { clientId } = client;
      const grant = new ctx.oidc.provider.Grant({ clientId, accountId: session.accountId });
      grant.addOIDCScope(SCOPE);
      grant.addResourceScope(RESOURCE, SCOPE);
      await grant.save();
      return grant;
    },
    features: {
      devInteractions: { enabled: false },
      deviceFlow: { enabled: true },
      introspection: {
        enabled: true,
        allowedPolicy: (_, client) => client.clientId === 'platform',
      },
      resourceIndicators: {
        enabled: true,
        defaultResource: (ctx) =>
          ctx.oidc.client.clientId === 'kici-cli' ? RESOURCE : undefined,
        useGrantedResource: () => true,
        getResourceServerInfo: () => ({
          scope: SCOPE,
          audience: 'platform',
          accessTokenFormat: 'jwt',
          jwt: { sign: { alg: 'RS256' } },
        }),
      },
    },
  });
  const handle = provider.callback();
  server.on('request', (request, response) => {
    if (request.url.startsWith('/interaction/')) {
      const result = { login: { accountId: 'ada' }, consent: {} };
      provider.interactionFinished(request, response, result).catch((error) => {
        response.statusCode = 500;
        response.end(String(error));
      });
    } else {
      handle(request, response);
    }
  });
  console.log(issuer);
});
