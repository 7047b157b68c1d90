// By name, so that a bundle holds no more of jose than this: a package that is imported when needed comes whole.

export { CompactSign, importJWK, importPKCS8 } from 'jose'
