# Doorkeeper on Rails as a server for tests: every OAuth controller is the gems' own.
#
# Options come as JSON in INTEROP_OPTIONS: `folder` (for its files), `log` (a file), `lifetime` (of access tokens, in
# seconds), `previous` (true: the gem's default table, with which a used refresh token stays good until the new access
# token is first used; false: it is revoked at once). Prints {"origin": ..., "version": ...} when it listens; ends with its standard input.
ENV['RAILS_ENV'] = 'production'
require 'json'
require 'digest'
require 'fileutils'
require 'logger'
require 'openssl'
require 'rails'
require 'active_record/railtie'
require 'action_controller/railtie'
require 'action_view/railtie'
require 'puma'
require 'puma/server'
require 'puma/events'
require 'doorkeeper'
require 'doorkeeper/openid_connect'

OPTIONS = JSON.parse(ENV.fetch('INTEROP_OPTIONS'))
FOLDER = OPTIONS.fetch('folder')
File.write("#{FOLDER}/database.yml", <<~YAML)
  production:
    adapter: sqlite3
    database: #{FOLDER}/db.sqlite3
    pool: 16
    timeout: 10000
YAML

# Its own page for consents loses the nonce of OpenID Connect; README of doorkeeper-openid_connect, section Nonces.
PAGES = "#{FOLDER}/app/views/doorkeeper/authorizations"
FileUtils.mkdir_p(PAGES)
page = File.read("#{Doorkeeper::Engine.root}/app/views/doorkeeper/authorizations/new.html.erb")
state = '<%= hidden_field_tag :state, @pre_auth.state %>'
raise 'the page for consents is another one' unless page.include?(state)
File.write("#{PAGES}/new.html.erb", page.gsub(state, "#{state}\n<%= hidden_field_tag :nonce, @pre_auth.nonce %>"))

# What the server has decided, whether or not anybody is left to hear it.
class TokenRequestLog
  WRITING = Mutex.new

  def initialize(app)
    @app = app
  end

  def call(env)
    return @app.call(env) unless env['PATH_INFO'] == '/oauth/token'
    form = Rack::Request.new(env).POST
    status, headers, parts = @app.call(env)
    text = +''
    parts.each { |part| text << part }
    html = headers['Content-Type'].to_s.include?('html')
    body = html || text.empty? ? {} : JSON.parse(text)
    line = {
      sender: env['HTTP_X_SENDER'],
      grantType: form['grant_type'],
      status: status,
      error: body['error'],
      html: html,
      spent: fingerprint(form['refresh_token']),
      issued: fingerprint(body['refresh_token'])
    }
    WRITING.synchronize { File.write(OPTIONS.fetch('log'), "#{line.to_json}\n", mode: 'a') }
    [status, headers, [text]]
  end

  def fingerprint(token)
    token && Digest::SHA256.hexdigest(token)
  end
end

class App < Rails::Application
  config.root = FOLDER
  config.load_defaults 6.1
  config.eager_load = false
  config.secret_key_base = 'interop' * 8
  config.hosts.clear
  config.logger = Logger.new("#{FOLDER}/rails.log")
  config.log_level = :warn
  config.active_support.deprecation = :silence
  config.session_store :cookie_store, key: '_s'
  config.public_file_server.enabled = false
  config.paths.add 'config/database', with: "#{FOLDER}/database.yml"
  config.middleware.insert_before 0, TokenRequestLog
end

class ApplicationRecord < ActiveRecord::Base
  self.abstract_class = true
end

server = Puma::Server.new(->(env) { App.call(env) }, Puma::Events.null, min_threads: 1, max_threads: 8)
server.add_tcp_listener('127.0.0.1', 0)
ORIGIN = "http://127.0.0.1:#{server.connected_ports.first}"

Rails.application.config.to_prepare do
  Doorkeeper.configure do
    orm :active_record
    resource_owner_authenticator do
      next Struct.new(:id).new(1) if session[:user]
      redirect_to("/login?return=#{CGI.escape(request.fullpath)}")
      nil
    end
    grant_flows %w[authorization_code client_credentials]
    access_token_expires_in OPTIONS.fetch('lifetime')
    use_refresh_token
    default_scopes :read
    optional_scopes :write, :openid
    enforce_configured_scopes
    force_ssl_in_redirect_uri false
    allow_token_introspection { |_token, client, _bearer| !client.nil? }
  end
  Doorkeeper::OpenidConnect.configure do
    issuer ORIGIN
    signing_key OpenSSL::PKey::RSA.new(2048).to_pem
    subject_types_supported [:public]
    protocol { :http }
    resource_owner_from_access_token { |token| Struct.new(:id).new(token.resource_owner_id) }
    auth_time_from_resource_owner { |_owner| Time.now }
    subject { |owner, _application| owner.id.to_s }
    reauthenticate_resource_owner { |_owner, _return_to| }
  end
end
App.initialize!

class ApplicationController < ActionController::Base; end

class LoginController < ApplicationController
  PAGE = <<~ERB
    <form method="post" action="/login"><%= hidden_field_tag :authenticity_token, form_authenticity_token %>
    <input type="hidden" name="return" value="<%= params[:return] %>"><input name="user"><input type="password" name="password"></form>
  ERB

  def new
    render inline: PAGE
  end

  def create
    return render(plain: 'bad login', status: 401) unless params[:user] == 'alice' && params[:password] == 'alice-password'
    session[:user] = 1
    redirect_to params[:return]
  end
end

App.routes.draw do
  use_doorkeeper
  use_doorkeeper_openid_connect
  get '/login', to: 'login#new'
  post '/login', to: 'login#create'
end

ActiveRecord::Schema.verbose = false
ActiveRecord::Schema.define do
  create_table(:oauth_applications) do |t|
    t.string :name, null: false
    t.string :uid, null: false
    t.string :secret, null: false
    t.text :redirect_uri, null: false
    t.string :scopes, null: false, default: ''
    t.boolean :confidential, null: false, default: true
    t.timestamps null: false
  end
  create_table(:oauth_access_grants) do |t|
    t.references :resource_owner, null: false
    t.references :application, null: false
    t.string :token, null: false
    t.integer :expires_in, null: false
    t.text :redirect_uri, null: false
    t.datetime :created_at, null: false
    t.datetime :revoked_at
    t.string :scopes, null: false, default: ''
    t.string :code_challenge
    t.string :code_challenge_method
  end
  create_table(:oauth_access_tokens) do |t|
    t.references :resource_owner
    t.references :application, null: false
    t.string :token, null: false
    t.string :refresh_token
    t.integer :expires_in
    t.datetime :revoked_at
    t.datetime :created_at, null: false
    t.string :scopes
    t.string :previous_refresh_token, null: false, default: '' if OPTIONS.fetch('previous')
  end
  create_table(:oauth_openid_requests) do |t|
    t.references :access_grant, null: false
    t.string :nonce, null: false
  end
  add_index :oauth_access_grants, :token, unique: true
  add_index :oauth_access_tokens, :token, unique: true
  add_index :oauth_access_tokens, :refresh_token, unique: true
end
Doorkeeper::Application.create!(
  name: 'web',
  uid: 'web',
  secret: 'web-secret',
  redirect_uri: 'http://127.0.0.1:49152/callback',
  scopes: 'read write openid'
)

server.run
puts({ origin: ORIGIN, version: Doorkeeper::VERSION::STRING }.to_json)
$stdout.flush
$stdin.read
exit!(0)
