-- Every command that describes, with each of its modifiers, of objects that are not there: what it asks has to be answered, and its
-- columns shown. Those of objects that are there are in psql.sql.
\pset format unaligned
\echo == part every command that describes, with + and S
\echo '== \\d'
\d nothing
\echo '== \\d of a schema'
\d nowhere.nothing
\echo '== \\d+'
\d+ nothing
\echo '== \\d+ of a schema'
\d+ nowhere.nothing
\echo '== \\dS'
\dS nothing
\echo '== \\dS of a schema'
\dS nowhere.nothing
\echo '== \\dS+'
\dS+ nothing
\echo '== \\dS+ of a schema'
\dS+ nowhere.nothing
\echo '== \\da'
\da nothing
\echo '== \\da+'
\da+ nothing
\echo '== \\daS'
\daS nothing
\echo '== \\daS+'
\daS+ nothing
\echo '== \\dA'
\dA nothing
\echo '== \\dA+'
\dA+ nothing
\echo '== \\dAc'
\dAc nothing
\echo '== \\dAc+'
\dAc+ nothing
\echo '== \\dAf'
\dAf nothing
\echo '== \\dAf+'
\dAf+ nothing
\echo '== \\dAo'
\dAo nothing
\echo '== \\dAo+'
\dAo+ nothing
\echo '== \\dAp'
\dAp nothing
\echo '== \\dAp+'
\dAp+ nothing
\echo '== \\db'
\db nothing
\echo '== \\db+'
\db+ nothing
\echo '== \\dc'
\dc nothing
\echo '== \\dc+'
\dc+ nothing
\echo '== \\dcS'
\dcS nothing
\echo '== \\dcS+'
\dcS+ nothing
\echo '== \\dC'
\dC nothing
\echo '== \\dC+'
\dC+ nothing
\echo '== \\dCS'
\dCS nothing
\echo '== \\dCS+'
\dCS+ nothing
\echo '== \\dconfig'
\dconfig nothing
\echo '== \\dconfig+'
\dconfig+ nothing
\echo '== \\dd'
\dd nothing
\echo '== \\dD'
\dD nothing
\echo '== \\dD+'
\dD+ nothing
\echo '== \\dDS'
\dDS nothing
\echo '== \\dDS+'
\dDS+ nothing
\echo '== \\ddp'
\ddp nothing
\echo '== \\dE'
\dE nothing
\echo '== \\dE+'
\dE+ nothing
\echo '== \\dES'
\dES nothing
\echo '== \\dES+'
\dES+ nothing
\echo '== \\des'
\des nothing
\echo '== \\des+'
\des+ nothing
\echo '== \\det'
\det nothing
\echo '== \\det+'
\det+ nothing
\echo '== \\deu'
\deu nothing
\echo '== \\deu+'
\deu+ nothing
\echo '== \\dew'
\dew nothing
\echo '== \\dew+'
\dew+ nothing
\echo '== \\df'
\df nothing
\echo '== \\df+'
\df+ nothing
\echo '== \\dfS'
\dfS nothing
\echo '== \\dfS+'
\dfS+ nothing
\echo '== \\dfa'
\dfa nothing
\echo '== \\dfa+'
\dfa+ nothing
\echo '== \\dfaS'
\dfaS nothing
\echo '== \\dfaS+'
\dfaS+ nothing
\echo '== \\dfn'
\dfn nothing
\echo '== \\dfn+'
\dfn+ nothing
\echo '== \\dfnS'
\dfnS nothing
\echo '== \\dfnS+'
\dfnS+ nothing
\echo '== \\dfp'
\dfp nothing
\echo '== \\dfp+'
\dfp+ nothing
\echo '== \\dfpS'
\dfpS nothing
\echo '== \\dfpS+'
\dfpS+ nothing
\echo '== \\dft'
\dft nothing
\echo '== \\dft+'
\dft+ nothing
\echo '== \\dftS'
\dftS nothing
\echo '== \\dftS+'
\dftS+ nothing
\echo '== \\dfw'
\dfw nothing
\echo '== \\dfw+'
\dfw+ nothing
\echo '== \\dfwS'
\dfwS nothing
\echo '== \\dfwS+'
\dfwS+ nothing
\echo '== \\dF'
\dF nothing
\echo '== \\dF+'
\dF+ nothing
\echo '== \\dFd'
\dFd nothing
\echo '== \\dFd+'
\dFd+ nothing
\echo '== \\dFp'
\dFp nothing
\echo '== \\dFp+'
\dFp+ nothing
\echo '== \\dFt'
\dFt nothing
\echo '== \\dFt+'
\dFt+ nothing
\echo '== \\dg'
\dg nothing
\echo '== \\dg+'
\dg+ nothing
\echo '== \\dgS'
\dgS nothing
\echo '== \\dgS+'
\dgS+ nothing
\echo '== \\di'
\di nothing
\echo '== \\di+'
\di+ nothing
\echo '== \\diS'
\diS nothing
\echo '== \\diS+'
\diS+ nothing
\echo '== \\dl'
\dl nothing
\echo '== \\dl+'
\dl+ nothing
\echo '== \\dL'
\dL nothing
\echo '== \\dL+'
\dL+ nothing
\echo '== \\dLS'
\dLS nothing
\echo '== \\dLS+'
\dLS+ nothing
\echo '== \\dm'
\dm nothing
\echo '== \\dm+'
\dm+ nothing
\echo '== \\dmS'
\dmS nothing
\echo '== \\dmS+'
\dmS+ nothing
\echo '== \\dn'
\dn nothing
\echo '== \\dn+'
\dn+ nothing
\echo '== \\dnS'
\dnS nothing
\echo '== \\dnS+'
\dnS+ nothing
\echo '== \\do'
\do nothing
\echo '== \\do+'
\do+ nothing
\echo '== \\doS'
\doS nothing
\echo '== \\doS+'
\doS+ nothing
\echo '== \\dO'
\dO nothing
\echo '== \\dO+'
\dO+ nothing
\echo '== \\dOS'
\dOS nothing
\echo '== \\dOS+'
\dOS+ nothing
\echo '== \\dp'
\dp nothing
\echo '== \\dP'
\dP nothing
\echo '== \\dP+'
\dP+ nothing
\echo '== \\dPi'
\dPi nothing
\echo '== \\dPi+'
\dPi+ nothing
\echo '== \\dPt'
\dPt nothing
\echo '== \\dPt+'
\dPt+ nothing
\echo '== \\drds'
\drds nothing
\echo '== \\dRp'
\dRp nothing
\echo '== \\dRp+'
\dRp+ nothing
\echo '== \\dRs'
\dRs nothing
\echo '== \\ds'
\ds nothing
\echo '== \\ds+'
\ds+ nothing
\echo '== \\dsS'
\dsS nothing
\echo '== \\dsS+'
\dsS+ nothing
\echo '== \\dt'
\dt nothing
\echo '== \\dt+'
\dt+ nothing
\echo '== \\dtS'
\dtS nothing
\echo '== \\dtS+'
\dtS+ nothing
\echo '== \\dT'
\dT nothing
\echo '== \\dT+'
\dT+ nothing
\echo '== \\dTS'
\dTS nothing
\echo '== \\dTS+'
\dTS+ nothing
\echo '== \\du'
\du nothing
\echo '== \\du+'
\du+ nothing
\echo '== \\duS'
\duS nothing
\echo '== \\duS+'
\duS+ nothing
\echo '== \\dv'
\dv nothing
\echo '== \\dv+'
\dv+ nothing
\echo '== \\dvS'
\dvS nothing
\echo '== \\dvS+'
\dvS+ nothing
\echo '== \\dx'
\dx nothing
\echo '== \\dx+'
\dx+ nothing
\echo '== \\dX'
\dX nothing
\echo '== \\dy'
\dy nothing
\echo '== \\dy+'
\dy+ nothing
\echo '== \\l'
\l nothing
\echo '== \\l+'
\l+ nothing
\echo '== \\z'
\z nothing
\echo '== \\sf'
\sf nothing
\echo '== \\sf+'
\sf+ nothing
\echo '== \\sv'
\sv nothing
\echo '== \\sv+'
\sv+ nothing
