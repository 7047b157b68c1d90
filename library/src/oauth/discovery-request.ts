// By name, so that a bundle holds no more of oauth4webapi than this: a package that is imported when needed comes whole.

export { allowInsecureRequests, customFetch, discoveryRequest } from 'oauth4webapi'
