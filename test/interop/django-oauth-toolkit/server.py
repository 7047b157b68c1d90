"""django-oauth-toolkit as a server for tests: every view is the package's own, but for the login page and an API.

Options come as JSON in INTEROP_OPTIONS: `folder` (for its files), `log` (a file), `lifetime` (of access tokens, in
seconds), `grace` (in seconds: how long a used refresh token gives the same answer again), `rotates` (default true). Prints
{"origin": ..., "version": ...} when it listens; ends with its standard input.
"""
import json
import os
import subprocess
import sys
import threading
from hashlib import sha256

options = json.loads(os.environ['INTEROP_OPTIONS'])
database = options['folder'] + '/db.sqlite3'
key = options['folder'] + '/key.pem'
subprocess.run(['openssl', 'genrsa', '-out', key, '2048'], check=True, stderr=subprocess.DEVNULL)

from django.conf import settings

LOGIN_PAGE = '<form method="post">{% csrf_token %}{{ form.as_p }}<input type="hidden" name="next" value="{{ next }}"></form>'
loaders = [
    ('django.template.loaders.locmem.Loader', {'login.html': LOGIN_PAGE}),
    'django.template.loaders.app_directories.Loader',
]
processors = ['django.template.context_processors.request', 'django.contrib.auth.context_processors.auth']
settings.configure(
    SECRET_KEY='interop',
    ALLOWED_HOSTS=['127.0.0.1'],
    ROOT_URLCONF=__name__,
    USE_TZ=True,
    LOGIN_URL='/login/',
    DATABASES={'default': {'ENGINE': 'django.db.backends.sqlite3', 'NAME': database, 'OPTIONS': {'timeout': 20}}},
    DEFAULT_AUTO_FIELD='django.db.models.AutoField',
    INSTALLED_APPS=['django.contrib.auth', 'django.contrib.contenttypes', 'django.contrib.sessions', 'oauth2_provider'],
    MIDDLEWARE=[
        __name__ + '.log_token_requests',
        'django.contrib.sessions.middleware.SessionMiddleware',
        'django.middleware.csrf.CsrfViewMiddleware',
        'django.contrib.auth.middleware.AuthenticationMiddleware',
    ],
    TEMPLATES=[
        {
            'BACKEND': 'django.template.backends.django.DjangoTemplates',
            'OPTIONS': {'loaders': loaders, 'context_processors': processors},
        }
    ],
    OAUTH2_PROVIDER={
        'SCOPES': {'read': 'Read', 'write': 'Write', 'introspection': 'Introspect', 'openid': 'OpenID'},
        'DEFAULT_SCOPES': ['read'],
        'ACCESS_TOKEN_EXPIRE_SECONDS': options['lifetime'],
        'REFRESH_TOKEN_EXPIRE_SECONDS': 86400,
        'REFRESH_TOKEN_GRACE_PERIOD_SECONDS': options['grace'],
        'ROTATE_REFRESH_TOKEN': options.get('rotates', True),
        'PKCE_REQUIRED': True,
        'OIDC_ENABLED': True,
        'OIDC_RSA_PRIVATE_KEY': open(key).read(),
    },
    OAUTH2_PROVIDER_APPLICATION_MODEL='oauth2_provider.Application',
    LOGGING={'version': 1, 'disable_existing_loggers': True},
)
sys.modules.setdefault('server', sys.modules[__name__])

import django

django.setup()

from django.contrib.auth.models import User
from django.contrib.auth.views import LoginView
from django.core.management import call_command
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
from django.core.wsgi import get_wsgi_application
from django.http import JsonResponse
from django.urls import include, path
from oauth2_provider import __version__
from oauth2_provider.models import Application
from oauth2_provider.oauth2_backends import get_oauthlib_core

writing = threading.Lock()
fingerprint = lambda token: token and sha256(token.encode()).hexdigest()


def log_token_requests(get_response):
    """What the server has decided, whether or not anybody is left to hear it."""

    def answer(request):
        if request.path != '/o/token/':
            return get_response(request)
        form = request.POST
        response = get_response(request)
        html = 'html' in response.get('content-type', '')
        body = {} if html else json.loads(response.content or '{}')
        line = {
            'sender': request.headers.get('x-sender'),
            'grantType': form.get('grant_type'),
            'status': response.status_code,
            'error': body.get('error'),
            'html': html,
            'spent': fingerprint(form.get('refresh_token')),
            'issued': fingerprint(body.get('refresh_token')),
        }
        with writing, open(options['log'], 'a') as log:
            log.write(json.dumps(line) + '\n')
        return response

    return answer


def whoami(request):
    """Says 401 as RFC 6750 wants it; the package's own decorator says 403."""
    valid, verified = get_oauthlib_core().verify_request(request, scopes=[])
    return JsonResponse({'user': verified.user.username} if valid else {}, status=200 if valid else 401)


urlpatterns = [
    path('login/', LoginView.as_view(template_name='login.html')),
    path('o/', include('oauth2_provider.urls', namespace='oauth2_provider')),
    path('api/whoami', whoami),
]

call_command('migrate', verbosity=0)
alice = User.objects.create_user('alice', 'alice@example.org', 'alice-password')
redirect = 'http://127.0.0.1:49152/callback'
for client_id, secret, grant in [('web', 'web-secret', 'authorization-code'), ('api', 'api-secret', 'client-credentials')]:
    Application.objects.create(
        client_id=client_id,
        client_secret=secret,
        client_type='confidential',
        authorization_grant_type=grant,
        redirect_uris=redirect,
        name=client_id,
        user=alice,
        algorithm='RS256' if client_id == 'web' else '',
    )


class Quiet(WSGIRequestHandler):
    def log_message(self, *args):
        pass


server = ThreadedWSGIServer(('127.0.0.1', 0), Quiet)
# A client that is killed breaks its pipe; that is what it is killed for.
server.handle_error = lambda *args: None
server.set_app(get_wsgi_application())
server.daemon_threads = True
threading.Thread(target=server.serve_forever, daemon=True).start()
print(json.dumps({'origin': f'http://127.0.0.1:{server.server_port}', 'version': __version__}), flush=True)
sys.stdin.read()
os._exit(0)
