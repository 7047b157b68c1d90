"""An authorization server on Authlib and Flask, for tests.

The protocol is Authlib's own: grants, client authentication, PKCE, JWT bearer, device authorization, introspection,
revocation, metadata. The library leaves storage, the pages for people and what a refresh does to the old token to the
application; those parts stand here.

Options come as JSON in AUTHLIB_OPTIONS: `lifetime` (seconds), `log` (a file), `client_key` (a public JWK, for the
client `signs`), `assertion_keys` (JWK by issuer), `rotates` (default true: a refresh brings another refresh token, and the
one before is revoked). Prints {"issuer": ..., "version": ...} when it listens; ends with its standard input.
"""
import json
import os
import sys
import threading
import time
from hashlib import sha256

os.environ['AUTHLIB_INSECURE_TRANSPORT'] = '1'  # Plain http, on loopback only.

import authlib
from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.integrations.sqla_oauth2 import OAuth2AuthorizationCodeMixin, OAuth2ClientMixin, OAuth2TokenMixin
from authlib.jose import JsonWebKey
from authlib.oauth2.rfc6749 import InvalidClientError, grants
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7523 import JWTBearerClientAssertion, JWTBearerGrant
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oauth2.rfc7662 import IntrospectionEndpoint
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata
from authlib.oauth2.rfc8628 import (
    DEVICE_CODE_GRANT_TYPE,
    DeviceAuthorizationEndpoint,
    DeviceCodeGrant,
    DeviceCredentialDict,
)
from flask import Flask, jsonify, request
from sqlalchemy import Column, Integer, create_engine
from sqlalchemy.orm import declarative_base, scoped_session, sessionmaker
from sqlalchemy.pool import StaticPool
from werkzeug.serving import WSGIRequestHandler, make_server

options = json.loads(os.environ['AUTHLIB_OPTIONS'])
JWT_BEARER = JWTBearerGrant.GRANT_TYPE
METHODS = ['client_secret_basic', 'client_secret_post', 'client_secret_jwt', 'private_key_jwt', 'none']
ROTATES = options.get('rotates', True)

app = Flask(__name__)
lifetimes = ('authorization_code', 'client_credentials', 'refresh_token', JWT_BEARER, DEVICE_CODE_GRANT_TYPE)
app.config.update(
    OAUTH2_REFRESH_TOKEN_GENERATOR=True,
    OAUTH2_TOKEN_EXPIRES_IN={grant_type: options['lifetime'] for grant_type in lifetimes},
    OAUTH2_SCOPES_SUPPORTED=['read', 'write'],
)
http = make_server('127.0.0.1', 0, app, request_handler=type('Quiet', (WSGIRequestHandler,), {'log': lambda *_: None}))
issuer = f'http://127.0.0.1:{http.server_port}'
token_endpoint = f'{issuer}/token'

engine = create_engine('sqlite://', poolclass=StaticPool, connect_args={'check_same_thread': False})
db = scoped_session(sessionmaker(bind=engine))
Row = declarative_base()


class Client(Row, OAuth2ClientMixin):
    __tablename__ = 'client'
    id = Column(Integer, primary_key=True)


class Token(Row, OAuth2TokenMixin):
    __tablename__ = 'token'
    id = Column(Integer, primary_key=True)


class Code(Row, OAuth2AuthorizationCodeMixin):
    __tablename__ = 'code'
    id = Column(Integer, primary_key=True)


class Alice:
    def get_user_id(self):
        return 1


alice = Alice()


def find(table, **columns):
    return db.query(table).filter_by(**columns).first()


def save(row):
    db.add(row)
    db.commit()


def save_token(token, asked):
    columns = ('token_type', 'access_token', 'refresh_token', 'scope', 'expires_in')
    save(Token(client_id=asked.client.client_id, **{name: token[name] for name in columns if name in token}))


server = AuthorizationServer(app, query_client=lambda name: find(Client, client_id=name), save_token=save_token)


class ClientCredentials(grants.ClientCredentialsGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = METHODS


class AuthorizationCode(grants.AuthorizationCodeGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = METHODS

    def save_authorization_code(self, code, asked):
        challenge = {name: asked.data.get(name) for name in ('code_challenge', 'code_challenge_method')}
        save(Code(code=code, client_id=asked.client.client_id, redirect_uri=asked.redirect_uri, scope=asked.scope, **challenge))

    def query_authorization_code(self, code, client):
        row = find(Code, code=code, client_id=client.client_id)
        return row if row and not row.is_expired() else None

    def delete_authorization_code(self, row):
        db.delete(row)
        db.commit()

    def authenticate_user(self, row):
        return alice


class RefreshToken(grants.RefreshTokenGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = METHODS
    INCLUDE_NEW_REFRESH_TOKEN = ROTATES

    def authenticate_refresh_token(self, text):
        row = find(Token, refresh_token=text)
        return row if row and not row.refresh_token_revoked_at else None

    def authenticate_user(self, row):
        return alice

    def revoke_old_credential(self, row):
        row.access_token_revoked_at = int(time.time())
        if ROTATES:
            row.refresh_token_revoked_at = row.access_token_revoked_at
        save(row)


class JwtBearer(JWTBearerGrant):
    # RFC 7523 section 3: the audience is the token endpoint.
    CLAIMS_OPTIONS = {**JWTBearerGrant.CLAIMS_OPTIONS, 'aud': {'essential': True, 'value': token_endpoint}}

    def resolve_issuer_client(self, name):
        return find(Client, client_id='robots')

    def resolve_client_key(self, client, header, claims):
        return JsonWebKey.import_key(options['assertion_keys'][claims['iss']])

    def authenticate_user(self, subject):
        return alice if subject == 'alice' else None

    def has_granted_permission(self, client, user):
        return True


class DeviceAuthorization(DeviceAuthorizationEndpoint):
    issued = {}

    def get_verification_uri(self):
        return f'{issuer}/device'

    def save_device_credential(self, client_id, scope, data):
        ends = time.time() + data['expires_in']
        self.issued[data['device_code']] = DeviceCredentialDict(client_id=client_id, scope=scope, expires_at=ends, **data)


class DeviceCode(DeviceCodeGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = METHODS
    agreed = set()

    def query_device_credential(self, code):
        return DeviceAuthorization.issued.get(code)

    def query_user_grant(self, user_code):
        return (alice, True) if user_code in self.agreed else None

    def should_slow_down(self, credential):
        return False


class ClientAssertion(JWTBearerClientAssertion):
    # Authlib tries one method after the other, so that each decodes what is meant for the other too, with the client's own key.
    METHODS = ('client_secret_jwt', 'private_key_jwt')

    def __init__(self):
        super().__init__(token_endpoint)
        self.used = set()

    def validate_jti(self, claims, jti):
        fresh = jti not in self.used
        self.used.add(jti)
        return fresh

    def authenticate_client(self, client):
        if client.token_endpoint_auth_method in self.METHODS:
            return client
        raise InvalidClientError()

    def resolve_client_public_key(self, client, header):
        if client.token_endpoint_auth_method == 'client_secret_jwt':
            return client.client_secret
        return JsonWebKey.import_key(options['client_key'])


class Revocation(RevocationEndpoint):
    def query_token(self, text, hint):
        return find(Token, access_token=text) or find(Token, refresh_token=text)

    def revoke_token(self, row, asked):
        row.access_token_revoked_at = row.refresh_token_revoked_at = int(time.time())
        save(row)


class Introspection(IntrospectionEndpoint):
    def query_token(self, text, hint):
        return find(Token, access_token=text) or find(Token, refresh_token=text)

    def check_permission(self, token, client, asked):
        return True

    def introspect_token(self, token):
        active = not token.access_token_revoked_at and not token.is_expired()
        return {'active': active, 'client_id': token.client_id, 'scope': token.scope, 'iss': issuer}


for grant in (ClientCredentials, RefreshToken, JwtBearer, DeviceCode):
    server.register_grant(grant)
server.register_grant(AuthorizationCode, [CodeChallenge(required=True)])
for method in ClientAssertion.METHODS:
    server.register_client_auth_method(method, ClientAssertion())
for endpoint in (Introspection, Revocation, DeviceAuthorization):
    server.register_endpoint(endpoint)


def fingerprint(text):
    return sha256(text.encode()).hexdigest()[:16] if text else None


@app.route('/token', methods=['POST'])
def token():
    answer = server.create_token_response()
    body = answer.get_json()
    entry = {
        'grantType': request.form.get('grant_type'),
        'outcome': 'success' if answer.status_code == 200 else 'error',
        'error': body.get('error'),
        'spent': fingerprint(request.form.get('refresh_token')),
        'issued': fingerprint(body.get('refresh_token')),
        'assertion': fingerprint(request.form.get('assertion')),
    }
    with open(options['log'], 'a', encoding='utf-8') as log:
        log.write(json.dumps(entry) + '\n')
    return answer


@app.route('/introspect', methods=['POST'])
def introspect():
    return server.create_endpoint_response('introspection')


@app.route('/revoke', methods=['POST'])
def revoke():
    return server.create_endpoint_response('revocation')


@app.route('/device_authorization', methods=['POST'])
def device_authorization():
    return server.create_endpoint_response('device_authorization')


@app.route('/device', methods=['GET', 'POST'])
def device():
    if request.method == 'POST' and request.form.get('password') == 'alice-password':
        DeviceCode.agreed.add(request.form.get('user_code'))
        return 'Sign-in Success'
    return '<form method="post"><input name="user_code"><input name="password" type="password"></form>'


@app.route('/authorize', methods=['GET', 'POST'])
def authorize():
    if request.method == 'GET':
        server.get_consent_grant(end_user=alice)
        return '<form method="post"><input name="password" type="password"></form>'
    known = request.form.get('password') == 'alice-password'
    return server.create_authorization_response(grant_user=alice if known else None)


@app.route('/.well-known/oauth-authorization-server')
def metadata():
    return jsonify(
        AuthorizationServerMetadata(
            issuer=issuer,
            authorization_endpoint=f'{issuer}/authorize',
            token_endpoint=token_endpoint,
            introspection_endpoint=f'{issuer}/introspect',
            revocation_endpoint=f'{issuer}/revoke',
            device_authorization_endpoint=f'{issuer}/device_authorization',
            response_types_supported=['code'],
            grant_types_supported=list(lifetimes),
            code_challenge_methods_supported=['S256'],
            token_endpoint_auth_methods_supported=METHODS,
        )
    )


@app.teardown_request
def forget(_):
    db.remove()


def register(name, secret, method):
    client = Client(client_id=name, client_secret=secret, client_id_issued_at=int(time.time()))
    client.set_client_metadata(
        {
            'redirect_uris': ['http://127.0.0.1/callback'],
            'response_types': ['code'],
            'scope': 'read write',
            'grant_types': list(lifetimes),
            'token_endpoint_auth_method': method,
        }
    )
    save(client)


def end_with_parent():
    sys.stdin.read()
    os._exit(0)


Row.metadata.create_all(engine)
register('web', 'web-secret', 'client_secret_basic')
register('post', 'post-secret', 'client_secret_post')
register('jwt-secret', 'jwt-secret-jwt-secret-jwt-secret', 'client_secret_jwt')
register('signs', '', 'private_key_jwt')
register('robots', '', 'none')
threading.Thread(target=end_with_parent, daemon=True).start()
print(json.dumps({'issuer': issuer, 'version': authlib.__version__}), flush=True)
http.serve_forever()
